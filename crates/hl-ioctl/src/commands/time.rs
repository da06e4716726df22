//! The camera's clock.

use super::SetAnswer;
use crate::layout::{command, fixed, number, wrapped};

fixed! {
    /// K10090: asks for the clock; no payload. K10091 answers Unix seconds, a u32.
    pub struct GetClock = [];
}
command!(GetClock = 10090, 10091: UnixSeconds);

number! {
    /// A time in seconds since 1970.
    pub struct UnixSeconds(u32): "clock", 0 to 4294967295, "Unix seconds";
}

wrapped! {
    /// K10092: the clock.
    ///
    /// | at | size | field |
    /// |---|---|---|
    /// | 16 | 4 | Unix seconds, u32 |
    #[derive(Copy)]
    pub struct SetClock(pub UnixSeconds);
}
command!(SetClock = 10092, 10093: SetAnswer);

number! {
    /// A time zone in whole hours from UTC, -11 to 13.
    pub struct TimeZone(i8): "time zone", -11 to 13, "hours";
}

wrapped! {
    /// K10302: the time zone.
    ///
    /// | at | size | field |
    /// |---|---|---|
    /// | 16 | 1 | hours from UTC, i8: -11 to 13 |
    #[derive(Copy)]
    pub struct SetTimeZone(pub TimeZone);
}
command!(SetTimeZone = 10302, 10303: SetAnswer);
