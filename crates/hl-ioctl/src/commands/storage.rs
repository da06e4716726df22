//! The SD card, and what serves it.

use super::SetAnswer;
use crate::layout::{command, fixed};

fixed! {
    /// K10058: takes a photo, which goes to the SD card. K10059 answers one byte.
    ///
    /// | at | size | field |
    /// |---|---|---|
    /// | 16 | 1 | 1 |
    pub struct TakePhoto = [1];
}
command!(TakePhoto = 10058, 10059: SetAnswer);

fixed! {
    /// K10148: starts the camera's file server. K10149 answers one byte.
    ///
    /// | at | size | field |
    /// |---|---|---|
    /// | 16 | 5 | 0 1 0 0 0; what each says is not known |
    pub struct StartFileServer = [0, 1, 0, 0, 0];
}
command!(StartFileServer = 10148, 10149: SetAnswer);

fixed! {
    /// K10242: formats the SD card; no payload. **Everything on it is lost.** K10243 answers one byte.
    pub struct FormatSdCard = [];
}
command!(FormatSdCard = 10242, 10243: SetAnswer);
