//! What the camera says aloud: the siren, and a doorbell's words.

use super::{SetAnswer, Switch};
use crate::layout::{command, fixed, layout, number, wrapped};

layout! {
    /// K10630 sets siren and light; K10633 answers the same two bytes (this project's choice: the table
    /// leaves it open).
    ///
    /// | at | size | field |
    /// |---|---|---|
    /// | 16 | 1 | siren: 1 on, 2 off |
    /// | 17 | 1 | light: 1 on, 2 off |
    ///
    /// The table has two values; that they stand in the order of its name is likely, not sure.
    pub struct SirenAndLight {
        /// The siren.
        pub siren: Switch,
        /// The light.
        pub light: Switch,
    }
}

wrapped! {
    /// K10630: siren and light.
    #[derive(Copy)]
    pub struct SetSirenAndLight(pub SirenAndLight);
}
command!(SetSirenAndLight = 10630, 10631: SetAnswer);

fixed! {
    /// K10632: asks for siren and light; no payload. K10633 answers [`SirenAndLight`].
    pub struct GetSirenAndLight = [];
}
command!(GetSirenAndLight = 10632, 10633: SirenAndLight);

number! {
    /// Which of a doorbell's ready-made messages, 1 to 3. What each says is not known.
    pub struct QuickMessage(u8): "K11635 message", 1 to 3, "(number of the message)";
}

wrapped! {
    /// K11635: a doorbell says a ready-made message.
    ///
    /// | at | size | field |
    /// |---|---|---|
    /// | 16 | 1 | which: 1 to 3 |
    ///
    /// The one code of the table that is odd; its answer is one more all the same, as the table has it.
    #[derive(Copy)]
    pub struct PlayQuickMessage(pub QuickMessage);
}
command!(PlayQuickMessage = 11635, 11636: SetAnswer);
