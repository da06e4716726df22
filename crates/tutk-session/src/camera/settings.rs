//! What a camera can be told, and remembers.

use hl_ioctl::commands::{
    Bitrate, MediaControl, ReadParameters, Resolution, SetAnswer, SetResolution,
    SetVideoParameters, Switch,
};
use hl_ioctl::{Command, HlMessage, JsonDocument};

/// The state of the device that commands read and change.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) resolution: Resolution,
    pub(crate) bitrate: Bitrate,
    pub(crate) fps: u16,
    pub(crate) horizontal_flip: Switch,
    pub(crate) vertical_flip: Switch,
    /// How many clients are let in.
    pub(crate) viewers: u8,
}

/// What a command did.
pub(crate) enum Outcome {
    /// The answer, an HL message.
    Answer(Vec<u8>),
    /// The answer, and media to switch for the client that asked.
    Switch(Vec<u8>, MediaControl),
    /// A code that this camera does not know, or a payload that it cannot read: no answer (commands.md).
    Silence,
}

impl Settings {
    pub(crate) fn new(fps: u8) -> Self {
        Self {
            resolution: Resolution::P1080,
            bitrate: Bitrate::HD,
            fps: fps.into(),
            horizontal_flip: Switch::Off,
            vertical_flip: Switch::Off,
            viewers: 0,
        }
    }

    pub(crate) fn handle(&mut self, message: &HlMessage<'_>) -> Outcome {
        self.answer(message).unwrap_or_else(|error| {
            tracing::debug!(code = message.code, %error, "command not understood");
            Outcome::Silence
        })
    }

    fn answer(&mut self, message: &HlMessage<'_>) -> Result<Outcome, hl_ioctl::Error> {
        Ok(match message.code {
            MediaControl::CODE => {
                let control = MediaControl::from_message(message)?;
                Outcome::Switch(MediaControl::answer_to_hl(&SetAnswer::Done)?, control)
            }
            ReadParameters::CODE => {
                let wanted = ReadParameters::from_message(message)?;
                let json = self.parameters(wanted.ids());
                let answer = JsonDocument::from(json);
                Outcome::Answer(ReadParameters::answer_to_hl(&answer)?)
            }
            SetVideoParameters::CODE => {
                let set = SetVideoParameters::from_message(message)?;
                self.bitrate = set.bitrate.unwrap_or(self.bitrate);
                self.resolution = set.resolution.unwrap_or(self.resolution);
                self.fps = set.fps.map_or(self.fps, |fps| fps.get().into());
                self.horizontal_flip = set.horizontal_flip.unwrap_or(self.horizontal_flip);
                self.vertical_flip = set.vertical_flip.unwrap_or(self.vertical_flip);
                Outcome::Answer(SetVideoParameters::answer_to_hl(&SetAnswer::Done)?)
            }
            SetResolution::CODE => {
                let set = SetResolution::from_message(message)?;
                self.resolution = set.resolution;
                self.bitrate = set.bitrate;
                self.fps = set.fps.map_or(self.fps, std::num::NonZeroU16::get);
                Outcome::Answer(SetResolution::answer_to_hl(&SetAnswer::Done)?)
            }
            _ => Outcome::Silence,
        })
    }

    /// The parameters that are asked for and that this camera has, by number.
    ///
    /// Which number means what is not known of real cameras: 1 bitrate, 2 resolution code, 3 frames per
    /// second, 4 and 5 the flips (1 on, 2 off) are this project's choice.
    fn parameters(&self, ids: &[u8]) -> serde_json::Value {
        let known = |id| {
            Some(match id {
                1 => self.bitrate.get(),
                2 => self.resolution.code().into(),
                3 => self.fps,
                4 => self.horizontal_flip.byte().into(),
                5 => self.vertical_flip.byte().into(),
                _ => return None,
            })
        };
        ids.iter()
            .filter_map(|&id| Some((id.to_string(), known(id)?.to_string().into())))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }
}
