//! Lights: on the camera, beside it, and in infrared.

use super::{SetAnswer, Switch, UntypedAnswer};
use crate::layout::{command, fixed, named, wrapped};

fixed! {
    /// K10030: asks for the status light; no payload. K10031 answers 1 on, 2 off.
    pub struct GetStatusLight = [];
}
command!(GetStatusLight = 10030, 10031: Switch);

wrapped! {
    /// K10032: the status light.
    ///
    /// | at | size | field |
    /// |---|---|---|
    /// | 16 | 1 | 1 on, 2 off |
    #[derive(Copy)]
    pub struct SetStatusLight(pub Switch);
}
command!(SetStatusLight = 10032, 10033: SetAnswer);

fixed! {
    /// K10044: asks for the infrared light; no payload. K10045 answers a byte as in [`SetInfraredLight`]
    /// (this project's choice: the table leaves it open).
    pub struct GetInfraredLight = [];
}
command!(GetInfraredLight = 10044, 10045: InfraredLight);

wrapped! {
    /// K10046: which infrared light is used at night.
    ///
    /// | at | size | field |
    /// |---|---|---|
    /// | 16 | 1 | 1 long range, 2 short range |
    #[derive(Copy)]
    pub struct SetInfraredLight(pub InfraredLight);
}
command!(SetInfraredLight = 10046, 10047: SetAnswer);

/// An infrared light.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InfraredLight {
    /// 1.
    LongRange,
    /// 2.
    ShortRange,
}
named!(InfraredLight: LongRange = 1 "long-range", ShortRange = 2 "short-range");

fixed! {
    /// K10640: asks for the spotlight; no payload. K10641 answers 1 on, 2 off (this project's choice: the
    /// table leaves it open).
    pub struct GetSpotlight = [];
}
command!(GetSpotlight = 10640, 10641: Switch);

wrapped! {
    /// K10646: the spotlight.
    ///
    /// | at | size | field |
    /// |---|---|---|
    /// | 16 | 1 | 1 on, 2 off |
    #[derive(Copy)]
    pub struct SetSpotlight(pub Switch);
}
command!(SetSpotlight = 10646, 10647: SetAnswer);

fixed! {
    /// K10788: asks for the built-in floodlight; no payload. What K10789 says is open: [`UntypedAnswer`].
    pub struct GetBuiltInFloodlight = [];
}
command!(GetBuiltInFloodlight = 10788, 10789: UntypedAnswer);

fixed! {
    /// K10820: asks for the white light; no payload. What K10821 says is open: [`UntypedAnswer`].
    pub struct GetWhiteLight = [];
}
command!(GetWhiteLight = 10820, 10821: UntypedAnswer);

wrapped! {
    /// K12060: the floodlight.
    ///
    /// | at | size | field |
    /// |---|---|---|
    /// | 16 | 1 | 1 on, 2 off |
    #[derive(Copy)]
    pub struct SetFloodlight(pub Switch);
}
command!(SetFloodlight = 12060, 12061: SetAnswer);
