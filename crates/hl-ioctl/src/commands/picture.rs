//! The picture: night vision, and what is written over it.

use super::{SetAnswer, Switch, UntypedAnswer};
use crate::layout::{command, fixed, named, wrapped};

fixed! {
    /// K10040: asks for night vision; no payload. K10041 answers a byte as in [`SetNightVision`] (this
    /// project's choice: the table leaves it open).
    pub struct GetNightVision = [];
}
command!(GetNightVision = 10040, 10041: NightVision);

wrapped! {
    /// K10042: night vision.
    ///
    /// | at | size | field |
    /// |---|---|---|
    /// | 16 | 1 | 1 on, 2 off, 3 auto |
    #[derive(Copy)]
    pub struct SetNightVision(pub NightVision);
}
command!(SetNightVision = 10042, 10043: SetAnswer);

/// When the camera sees in infrared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NightVision {
    /// 1: always.
    On,
    /// 2: never.
    Off,
    /// 3: when it is dark.
    Auto,
}
named!(NightVision: On = 1 "on", Off = 2 "off", Auto = 3 "auto");

fixed! {
    /// K10070: asks for the on-screen time; no payload. K10071 answers 1 on, 2 off.
    pub struct GetOnScreenTime = [];
}
command!(GetOnScreenTime = 10070, 10071: Switch);

wrapped! {
    /// K10072: the time in the picture.
    ///
    /// | at | size | field |
    /// |---|---|---|
    /// | 16 | 1 | 1 on, 2 off |
    #[derive(Copy)]
    pub struct SetOnScreenTime(pub Switch);
}
command!(SetOnScreenTime = 10072, 10073: SetAnswer);

fixed! {
    /// K10074: asks for the on-screen logo; no payload. K10075 answers 1 on, 2 off.
    pub struct GetOnScreenLogo = [];
}
command!(GetOnScreenLogo = 10074, 10075: Switch);

wrapped! {
    /// K10076: the maker's logo in the picture.
    ///
    /// | at | size | field |
    /// |---|---|---|
    /// | 16 | 1 | 1 on, 2 off |
    #[derive(Copy)]
    pub struct SetOnScreenLogo(pub Switch);
}
command!(SetOnScreenLogo = 10076, 10077: SetAnswer);

fixed! {
    /// K10620: asks whether it is night for the camera; no payload. What K10621 says is open: [`UntypedAnswer`].
    pub struct GetNightCheck = [];
}
command!(GetNightCheck = 10620, 10621: UntypedAnswer);

fixed! {
    /// K10624: asks for the night switch point; no payload. K10625 answers a byte as in
    /// [`SetNightSwitchPoint`] (this project's choice: the table leaves it open).
    pub struct GetNightSwitchPoint = [];
}
command!(GetNightSwitchPoint = 10624, 10625: NightSwitchPoint);

wrapped! {
    /// K10626: how dark it is when [`NightVision::Auto`] switches.
    ///
    /// | at | size | field |
    /// |---|---|---|
    /// | 16 | 1 | 1 dusk, 2 dark |
    #[derive(Copy)]
    pub struct SetNightSwitchPoint(pub NightSwitchPoint);
}
command!(SetNightSwitchPoint = 10626, 10627: SetAnswer);

/// How dark it is when night vision switches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NightSwitchPoint {
    /// 1.
    Dusk,
    /// 2.
    Dark,
}
named!(NightSwitchPoint: Dusk = 1 "dusk", Dark = 2 "dark");
