//! The device: clock, SD card, servers and accessories.

use super::{SetAnswer, Switch, UntypedAnswer};
use crate::JsonDocument;
use crate::layout::{action, get, number, setting, value};

action! {
    /// K10058: takes a photo and stores it on the SD card. The payload is 1.
    TakePhoto = 10058, 10059: [1];
}

setting! {
    "the clock": UnixSeconds;
    GetClock = 10090, 10091;
    SetClock = 10092, 10093;
}

number! {
    /// A time in seconds since 1970.
    pub struct UnixSeconds(u32): "clock", 0 to 4294967295, "Unix seconds";
}

action! {
    /// K10148: starts the camera's file server. The meaning of the payload is not known.
    StartFileServer = 10148, 10149: [0, 1, 0, 0, 0];
}

action! {
    /// K10242: formats the SD card and **deletes everything on it**. There is no payload.
    FormatSdCard = 10242, 10243: [];
}

value! {
    /// K10302: sets the time zone.
    #[derive(Copy)]
    SetTimeZone(pub TimeZone) = 10302, 10303: SetAnswer;
}

number! {
    /// A time zone in whole hours from UTC, -11 to 13.
    pub struct TimeZone(i8): "time zone", -11 to 13, "hours";
}

value! {
    /// K10600: switches the camera's own RTSP server. Only special firmware has one.
    #[derive(Copy)]
    SetRtspServer(pub Switch) = 10600, 10601: SetAnswer;
}

get! { "the state of the RTSP server": UntypedAnswer; GetRtspServer = 10604, 10605; }

get! { "the accessories": JsonDocument; GetAccessories = 10720, 10721; }
