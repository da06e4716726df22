//! Frames of video and audio.

use std::ffi::c_int;

use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyMemoryView;
use tutk_bindings::tutk_session::{ContinuousFrame, MediaKind};
use tutk_media::{AudioCodec, Codec};

/// A frame. It has the buffer protocol: `memoryview(frame)` copies nothing.
#[pyclass(frozen, module = "tutk", name = "Frame")]
pub(crate) struct Frame(pub(crate) ContinuousFrame);

#[pymethods]
impl Frame {
    #[getter]
    fn data(slf: Bound<'_, Self>) -> PyResult<Bound<'_, PyMemoryView>> {
        PyMemoryView::from(slf.as_any())
    }

    #[getter]
    fn codec(&self) -> Option<&'static str> {
        let codec = self.0.frame.codec?;
        let video = Codec::from_tutk(codec).map(Codec::name);
        video.or_else(|| AudioCodec::from_tutk(codec).map(AudioCodec::name))
    }

    #[getter]
    fn is_key(&self) -> bool {
        self.0.frame.is_key()
    }

    #[getter]
    fn is_audio(&self) -> bool {
        self.0.frame.kind == MediaKind::Audio
    }

    #[getter]
    fn timestamp(&self) -> f64 {
        self.0.frame.timestamp.as_secs_f64()
    }

    #[getter]
    fn time(&self) -> f64 {
        self.0.unix.as_secs_f64()
    }

    #[getter]
    fn number(&self) -> u32 {
        self.0.frame.number
    }

    #[getter]
    fn discontinuity(&self) -> bool {
        self.0.discontinuity
    }

    #[getter]
    fn sample_rate(&self) -> Option<u32> {
        self.0.frame.audio?.rate_hz()
    }

    #[getter]
    fn channels(&self) -> Option<u8> {
        Some(self.0.frame.audio?.channels())
    }

    fn __len__(&self) -> usize {
        self.0.frame.data.len()
    }

    fn __repr__(&self) -> String {
        let kind = match (self.is_audio(), self.is_key()) {
            (true, _) => "audio",
            (false, true) => "key",
            (false, false) => "delta",
        };
        let codec = self.codec().unwrap_or("unknown codec");
        let Self(ContinuousFrame { frame, .. }) = self;
        let (number, len) = (frame.number, frame.data.len());
        format!("<Frame {number}: {kind}, {codec}, {len} bytes>")
    }

    /// # Safety
    /// `view` is null or a `Py_buffer` to fill, as the buffer protocol says.
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let data = &slf.get().0.frame.data;
        let len = ffi::Py_ssize_t::try_from(data.len())
            .map_err(|_| PyBufferError::new_err("the frame is too long"))?;
        let bytes = data.as_ptr().cast_mut().cast();
        // SAFETY: `view` is as required of the caller. The view keeps a reference to the frame,
        // which is immutable, so the bytes stay valid. They are not written: `readonly` is 1.
        let result = unsafe { ffi::PyBuffer_FillInfo(view, slf.as_ptr(), bytes, len, 1, flags) };
        match result {
            0 => Ok(()),
            _ => Err(PyErr::fetch(slf.py())),
        }
    }
}
