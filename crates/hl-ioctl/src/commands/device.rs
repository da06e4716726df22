//! What is on and around the camera: its RTSP server, its accessories.

use super::{SetAnswer, Switch, UntypedAnswer};
use crate::JsonDocument;
use crate::layout::{command, fixed, wrapped};

wrapped! {
    /// K10600: the RTSP server on the camera (only special firmware has one).
    ///
    /// | at | size | field |
    /// |---|---|---|
    /// | 16 | 1 | 1 on, 2 off |
    #[derive(Copy)]
    pub struct SetRtspServer(pub Switch);
}
command!(SetRtspServer = 10600, 10601: SetAnswer);

fixed! {
    /// K10604: asks for the RTSP server; no payload. What K10605 says is open: [`UntypedAnswer`].
    pub struct GetRtspServer = [];
}
command!(GetRtspServer = 10604, 10605: UntypedAnswer);

fixed! {
    /// K10720: asks for the accessories; no payload. K10721 answers JSON.
    pub struct GetAccessories = [];
}
command!(GetAccessories = 10720, 10721: JsonDocument);
