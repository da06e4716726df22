//! A session with a camera.

use std::sync::Arc;

use pyo3::exceptions::PyBlockingIOError;
use pyo3::prelude::*;
use pyo3::types::PyString;
use tutk_bindings::tutk_session::hl_ioctl::serde_json::Value;
use tutk_bindings::tutk_session::{CameraUrl, ContinuousFrame};
use tutk_bindings::{Camera, CameraOptions, CommandError};

use crate::frame::Frame;
use crate::{error, runtime};

type Next = Result<Option<ContinuousFrame>, tutk_runtime::Error>;

#[pyclass(frozen, module = "tutk._tutk")]
pub(crate) struct Session(Arc<Camera>);

#[pymethods]
impl Session {
    #[new]
    #[pyo3(signature = (url, *, video, audio, reconnect))]
    fn new(py: Python<'_>, url: &str, video: bool, audio: bool, reconnect: bool) -> PyResult<Self> {
        let url: CameraUrl = url.parse().map_err(|error| error::url(&error))?;
        let options = CameraOptions {
            video,
            audio,
            reconnect,
        };
        let camera = Camera::open(runtime::get()?.handle(), url, options);
        let camera = camera.map_err(|error| error::session(py, &error))?;
        Ok(Self(Arc::new(camera)))
    }

    /// Waits for the next frame; `None` when the session was closed.
    #[pyo3(signature = (timeout=None))]
    fn next_frame(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Option<Frame>> {
        frame(py, runtime::wait(py, timeout, self.0.next_frame())?)
    }

    /// Returns the next frame if there is one, or raises `BlockingIOError`.
    fn try_next_frame(&self, py: Python<'_>) -> PyResult<Option<Frame>> {
        let next = self.0.try_next_frame();
        let next = next.ok_or_else(|| PyBlockingIOError::new_err("no frame is waiting"))?;
        frame(py, next)
    }

    /// Calls back when `try_next_frame` returns at once.
    fn wait_frame(&self, callback: Py<PyAny>) -> PyResult<()> {
        let camera = Arc::clone(&self.0);
        let wait = async move { camera.wait_frame().await };
        runtime::spawn(wait, |py, ()| Ok(py.None()), callback)
    }

    /// Reads a control, or sets it to the values. Returns JSON.
    fn command(&self, py: Python<'_>, control: &str, values: Vec<String>) -> PyResult<String> {
        let answer = runtime::wait(py, None, self.0.command(control, &values))?;
        let answer = answer.map_err(|error| error::command(py, &error))?;
        Ok(answer.to_string())
    }

    /// As `command`, and calls back with the JSON.
    fn start_command(
        &self,
        control: String,
        values: Vec<String>,
        callback: Py<PyAny>,
    ) -> PyResult<()> {
        let camera = Arc::clone(&self.0);
        let command = async move { camera.command(&control, &values).await };
        let convert = |py: Python<'_>, answer: Result<Value, CommandError>| {
            let answer = answer.map_err(|error| error::command(py, &error))?;
            Ok(PyString::new(py, &answer.to_string()).into_any().unbind())
        };
        runtime::spawn(command, convert, callback)
    }

    /// Asks the session to close.
    fn stop(&self) {
        self.0.stop();
    }

    /// Closes the session, and waits until the camera is informed.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        runtime::wait(py, None, self.0.close())
    }

    /// As `close`, and calls back.
    fn start_close(&self, callback: Py<PyAny>) -> PyResult<()> {
        let camera = Arc::clone(&self.0);
        let close = async move { camera.close().await };
        runtime::spawn(close, |py, ()| Ok(py.None()), callback)
    }
}

fn frame(py: Python<'_>, next: Next) -> PyResult<Option<Frame>> {
    let next = next.map_err(|error| error::session(py, &error))?;
    Ok(next.map(Frame))
}
