//! A simulated camera, for tests.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use tutk_bindings::tutk_session::{AudioFlags, Codec, Credentials};
use tutk_runtime::tutk_simulator::{Clip, ClipAudio, ClipAudioFormat, ClipFrame, SimulatorConfig};
use tutk_runtime::{SimulatedCamera as Running, simulate};

use crate::{error, runtime};

/// The samples of audio a second, and in a frame of 20 ms.
const AUDIO_RATE: u32 = 8000;
const AUDIO_FRAME: u16 = 160;

#[pyclass(frozen, module = "tutk._tutk")]
pub(crate) struct SimulatedCamera {
    running: Mutex<Option<Running>>,
    #[pyo3(get)]
    address: String,
}

#[pymethods]
impl SimulatedCamera {
    /// `video` is H.264 or H.265 in Annex B, and `audio` G.711 µ-law with 8000 samples a second.
    #[new]
    #[pyo3(signature = (video, *, audio, fps, uid, enr, mac, frames, listen))]
    #[expect(clippy::too_many_arguments, reason = "they are named in Python")]
    fn new(
        video: &[u8],
        audio: Option<&[u8]>,
        fps: u8,
        uid: &str,
        enr: &str,
        mac: &str,
        frames: Option<u64>,
        listen: &str,
    ) -> PyResult<Self> {
        let credentials = Credentials::new(uid, enr, mac);
        let credentials = credentials.map_err(|error| error::credentials(&error))?;
        let mut config = SimulatorConfig::new(credentials, clip(video, fps)?);
        config.audio = audio.map(self::audio).transpose()?;
        config.frames = frames;
        let listen = crate::capture::address(listen)?;
        let _context = runtime::get()?.enter();
        let running = simulate(config, listen);
        let running = running.map_err(|error| PyOSError::new_err(error.to_string()))?;
        Ok(Self {
            address: running.local_addr().to_string(),
            running: Mutex::new(Some(running)),
        })
    }

    /// Closes all sessions and stops the camera.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let running = (self.running.lock())
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        match running {
            Some(running) => runtime::wait(py, None, running.close()),
            None => Ok(()),
        }
    }
}

fn clip(video: &[u8], fps: u8) -> PyResult<Clip> {
    let invalid = |error: &dyn std::fmt::Display| PyValueError::new_err(format!("video: {error}"));
    let parsed = tutk_media::Clip::parse(Bytes::copy_from_slice(video));
    let parsed = parsed.map_err(|error| invalid(&error))?;
    let frames = parsed.units().map(|unit| ClipFrame {
        data: unit.data().clone(),
        key: unit.is_key(),
    });
    Clip::new(frames, parsed.codec().to_tutk(), fps).map_err(|error| invalid(&error))
}

fn audio(samples: &[u8]) -> PyResult<ClipAudio> {
    let invalid = |what: &str| PyValueError::new_err(format!("audio: {what}"));
    let flags = AudioFlags::new(AUDIO_RATE, 16, 1).ok_or_else(|| invalid("no such format"))?;
    let format = ClipAudioFormat {
        codec: Codec::Pcmu,
        flags,
    };
    let (frames, _) = samples.as_chunks::<{ AUDIO_FRAME as usize }>();
    let frames: Vec<Bytes> = frames
        .iter()
        .map(|frame| Bytes::copy_from_slice(frame))
        .collect();
    ClipAudio::new(frames, format, AUDIO_FRAME.into()).map_err(|error| invalid(&error.to_string()))
}
