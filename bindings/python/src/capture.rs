//! Captures.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

use crate::error;

#[pyclass(frozen, module = "tutk._tutk")]
pub(crate) struct Dissection(Mutex<tutk_bindings::Dissection>);

#[pymethods]
impl Dissection {
    #[new]
    #[pyo3(signature = (capture, *, key_logs, cameras))]
    fn new(capture: PyBackedBytes, key_logs: Vec<Vec<u8>>, cameras: Vec<String>) -> PyResult<Self> {
        let file = Bytes::from_owner(capture);
        let dissection = tutk_bindings::Dissection::new(file, &key_logs, &cameras);
        let dissection = dissection.map_err(|error| error::dissection(&error))?;
        Ok(Self(Mutex::new(dissection)))
    }

    /// Returns the next line as JSON; `None` at the end.
    fn next_json(&self, py: Python<'_>) -> PyResult<Option<String>> {
        let next = py.detach(|| self.lock().next_json());
        next.map_err(|error| error::capture(&error))
    }

    /// Returns the next packet as text; `None` at the end.
    fn next_text(&self, py: Python<'_>) -> PyResult<Option<String>> {
        let next = py.detach(|| self.lock().next_text());
        next.map_err(|error| error::capture(&error))
    }
}

impl Dissection {
    fn lock(&self) -> MutexGuard<'_, tutk_bindings::Dissection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns a packet as JSON, or `None` if the datagram is not of the protocol.
#[pyfunction]
pub(crate) fn dissect_datagram(
    source: &str,
    destination: &str,
    data: &[u8],
) -> PyResult<Option<String>> {
    let [source, destination] = [source, destination].map(address);
    Ok(tutk_bindings::dissect_datagram(source?, destination?, data))
}

/// Parses an IP address with a port.
pub(crate) fn address(text: &str) -> PyResult<SocketAddr> {
    text.parse().map_err(|_| {
        PyValueError::new_err(format!(
            "invalid address {text:?}: expected an IP address with a port"
        ))
    })
}
