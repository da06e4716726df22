//! K10600 and K10604: the camera's own RTSP server.

use alloc::string::String;
use alloc::vec::Vec;

use bytes::BufMut as _;
use serde_json::Value;

use super::{SetAnswer, Switch};
use crate::Error;
use crate::json::object;
use crate::layout::{Payload, Reader, Scalar, ToJson, command, layout};

layout! {
    /// K10600: switches the camera's own RTSP server. Only special firmware has one.
    ///
    /// | at | size | field |
    /// |---|---|---|
    /// | 16 | 1 | 1 on, 2 off |
    pub struct SetRtspServer {
        /// On or off.
        pub server: Switch,
    }
}
command!(SetRtspServer = 10600: SetAnswer);

/// K10605: the state and address of the camera's RTSP server.
///
/// | at | size | field |
/// |---|---|---|
/// | 16 | 1 | 1 on, 2 off |
/// | 17 | | `rtsp://` address |
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RtspServer {
    /// 1 on, 2 off.
    pub server: u8,
    /// The address, without zeros at its end. It may be empty. Bytes that are not UTF-8 are
    /// replaced.
    pub url: String,
}

impl Payload for RtspServer {
    fn write(&self, out: &mut Vec<u8>) {
        out.put_u8(self.server);
        out.put_slice(self.url.as_bytes());
    }

    fn read(what: &'static str, payload: &[u8]) -> Result<Self, Error> {
        let server = Reader::new(what, 1, payload).value("server")?;
        let url = String::from_utf8_lossy(payload.get(1..).unwrap_or_default());
        let url = url.trim_end_matches('\0').into();
        Ok(Self { server, url })
    }
}

impl ToJson for RtspServer {
    fn json(&self) -> Value {
        object([
            ("server", Some(Switch::KIND.json(self.server.into()))),
            ("url", Some(self.url.as_str().into())),
        ])
    }
}
