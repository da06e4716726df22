//! K10020: read parameters.

use alloc::vec::Vec;

use bytes::BufMut as _;

use crate::layout::{Payload, Reader, command, named};
use crate::{Error, JsonDocument};

/// The largest number of parameters in one K10020. Their count is one byte on the wire.
pub const MAX_PARAMETERS: usize = 255;

named! {
    /// A parameter of K10020 whose id is known. Its value is that of the command that sets it.
    pub enum Parameter {
        /// 1: see [`SetStatusLight`](super::SetStatusLight).
        StatusLight = 1 "status-light",
        /// 2: see [`SetNightVision`](super::SetNightVision).
        NightVision = 2 "night-vision",
        /// 3: in kB/s. Some firmware does not report it, see [`BitrateSource`].
        Bitrate = 3 "bitrate",
        /// 4: see [`Resolution`](super::Resolution).
        Resolution = 4 "resolution",
        /// 5: frames per second.
        Fps = 5 "fps",
        /// 6: see [`SetVideoParameters`](super::SetVideoParameters).
        HorizontalFlip = 6 "horizontal-flip",
        /// 7.
        VerticalFlip = 7 "vertical-flip",
        /// 13: see [`SetMotionAlarm`](super::SetMotionAlarm).
        MotionAlarm = 13 "motion-alarm",
        /// 21: see [`SetMotionTagging`](super::SetMotionTagging).
        MotionTagging = 21 "motion-tagging",
        /// 22: in hours from UTC.
        TimeZone = 22 "time-zone",
        /// 27: see [`SetMotionTracking`](super::SetMotionTracking).
        MotionTracking = 27 "motion-tracking",
        /// 50: see [`SetInfraredLight`](super::SetInfraredLight).
        InfraredLight = 50 "infrared-light",
    }
}

/// Where a camera reports its bitrate, by its firmware (docs/protocol.md, section 19).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BitrateSource {
    /// In [`Parameter::Bitrate`] of K10020.
    Parameters,
    /// In K10051 ([`VideoParameters`](super::VideoParameters)) only.
    VideoParameters,
    /// Nowhere.
    None,
}

impl BitrateSource {
    /// Returns the source for a firmware version such as `4.52.9.4188`.
    #[must_use]
    pub fn of_firmware(firmware: &str) -> Self {
        let is = |version: &str| {
            let rest = firmware.strip_prefix(version);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        if ["4.36.12", "4.50.4.9222"].into_iter().any(is) {
            Self::None
        } else if ["4.50.4", "4.51", "4.52", "4.53"].into_iter().any(is) {
            Self::VideoParameters
        } else {
            Self::Parameters
        }
    }
}

/// K10020: reads parameters by number. The answer, K10021, is JSON.
///
/// | at | size | field |
/// |---|---|---|
/// | 16 | 1 | n: 1 to [`MAX_PARAMETERS`] |
/// | 17 | n | ids, one byte each, from 1: [`Parameter`] and others |
///
/// ```
/// use hl_ioctl::Request;
/// use hl_ioctl::commands::ReadParameters;
///
/// let request = Request::from(&ReadParameters::new([1, 21])?);
/// assert_eq!((request.code, &request.payload[..]), (10020, &[2, 1, 21][..]));
/// # Ok::<(), hl_ioctl::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReadParameters {
    count: u8,
    ids: Vec<u8>,
}

command!(ReadParameters = 10020: JsonDocument);

impl ReadParameters {
    /// Creates a request for these ids.
    ///
    /// # Errors
    ///
    /// [`Error::Range`] if there are none or more than [`MAX_PARAMETERS`], or for the id 0.
    pub fn new(ids: impl IntoIterator<Item = u8>) -> Result<Self, Error> {
        // The iterator may be endless.
        let ids: Vec<u8> = ids.into_iter().take(MAX_PARAMETERS + 1).collect();
        let range = |what, got: usize| Error::Range {
            what,
            allowed: "1 to 255",
            got: i64::try_from(got).unwrap_or(i64::MAX),
        };
        let count = match u8::try_from(ids.len()) {
            Ok(count) if count > 0 => count,
            _ => return Err(range("K10020 count of parameters", ids.len())),
        };
        if ids.contains(&0) {
            return Err(range("K10020 parameter id", 0));
        }
        Ok(Self { count, ids })
    }

    /// Creates a request for the ids 1 to 99.
    ///
    /// Cameras are expected to omit the ids that they do not have. This is not verified.
    #[must_use]
    pub fn all() -> Self {
        let ids: Vec<u8> = (1..=99).collect();
        Self { count: 99, ids }
    }

    /// The ids in the order of the request.
    #[must_use]
    pub fn ids(&self) -> &[u8] {
        &self.ids
    }
}

impl Payload for ReadParameters {
    fn write(&self, out: &mut Vec<u8>) {
        out.put_u8(self.count);
        out.put_slice(&self.ids);
    }

    fn read(what: &'static str, payload: &[u8]) -> Result<Self, Error> {
        let count = payload.first().copied().map_or(0, usize::from);
        let mut reader = Reader::new(what, 1 + count, payload);
        let count: u8 = reader.value("count")?;
        let ids = reader.bytes(count.into())?;
        Self::new(ids.iter().copied())
    }
}
