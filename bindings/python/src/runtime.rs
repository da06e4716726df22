//! The runtime that handles packets, and waiting for it.

use std::sync::OnceLock;
use std::time::Duration;

use pyo3::exceptions::{PyTimeoutError, PyValueError};
use pyo3::prelude::*;
use tokio::runtime::Runtime;

/// How often a waiting thread looks for signals such as that of Ctrl-C.
const SIGNALS: Duration = Duration::from_millis(100);

/// Returns the runtime of the process, with one thread.
pub(crate) fn get() -> PyResult<&'static Runtime> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    // If another thread was faster, this runtime has no tasks and is dropped.
    let runtime = tutk_bindings::runtime()?;
    Ok(RUNTIME.get_or_init(|| runtime))
}

/// Converts a time limit in seconds.
pub(crate) fn limit(seconds: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(seconds)
        .map_err(|error| PyValueError::new_err(format!("invalid time limit {seconds}: {error}")))
}

/// Waits for a future without the GIL. Handlers of signals run meanwhile. `limit` is in seconds.
pub(crate) fn wait<T: Send>(
    py: Python<'_>,
    seconds: Option<f64>,
    future: impl Future<Output = T> + Send,
) -> PyResult<T> {
    let mut left = seconds.map(limit).transpose()?;
    let runtime = get()?;
    let mut future = Box::pin(future);
    loop {
        let step = left.map_or(SIGNALS, |left| left.min(SIGNALS));
        let result = py.detach(|| {
            let future = future.as_mut();
            runtime.block_on(async { tokio::time::timeout(step, future).await.ok() })
        });
        if let Some(result) = result {
            return Ok(result);
        }
        py.check_signals()?;
        if let Some(left) = &mut left {
            *left = left.saturating_sub(step);
            if left.is_zero() {
                return Err(PyTimeoutError::new_err("the time limit is over"));
            }
        }
    }
}

/// Runs a future on the runtime, and calls `callback` with the result of `convert`: a value, or
/// `None` and an exception.
pub(crate) fn spawn<T: Send + 'static>(
    future: impl Future<Output = T> + Send + 'static,
    convert: impl FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
    callback: Py<PyAny>,
) -> PyResult<()> {
    get()?.spawn(async move {
        let result = future.await;
        // In a thread of its own: the thread of the sessions must not wait for the GIL.
        tokio::task::spawn_blocking(move || {
            // Without an interpreter, the process is about to end.
            Python::try_attach(|py| call(py, convert(py, result), &callback));
        });
    });
    Ok(())
}

fn call(py: Python<'_>, result: PyResult<Py<PyAny>>, callback: &Py<PyAny>) {
    let arguments = match result {
        Ok(value) => (value, py.None()),
        Err(error) => (py.None(), error.into_value(py).into_any()),
    };
    if let Err(error) = callback.call1(py, arguments) {
        error.write_unraisable(py, None);
    }
}
