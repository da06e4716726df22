//! Exceptions. Their messages are those of the Rust errors.

use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use tutk_bindings::tutk_session::{CredentialsError, Failure, UrlError, hl_ioctl};

create_exception!(tutk, Error, PyException, "An error of this package.");
create_exception!(
    tutk,
    AddressError,
    Error,
    "A camera's address or keys are malformed."
);
create_exception!(
    tutk,
    CaptureError,
    Error,
    "A file is not a capture, or is damaged."
);
create_exception!(
    tutk,
    CommandError,
    Error,
    "A command is invalid, was not answered, or was not confirmed."
);
create_exception!(
    tutk,
    SessionError,
    Error,
    "A session failed. `kind` is \"silent\", \"refused\", \"interrupted\" or \"system\", `phase` the phase in which \
     it failed, and `advice` what to do."
);

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("Error", py.get_type::<Error>())?;
    module.add("AddressError", py.get_type::<AddressError>())?;
    module.add("CaptureError", py.get_type::<CaptureError>())?;
    module.add("CommandError", py.get_type::<CommandError>())?;
    module.add("SessionError", py.get_type::<SessionError>())
}

pub(crate) fn url(error: &UrlError) -> PyErr {
    AddressError::new_err(error.to_string())
}

pub(crate) fn credentials(error: &CredentialsError) -> PyErr {
    AddressError::new_err(error.to_string())
}

pub(crate) fn request(error: &hl_ioctl::Error) -> PyErr {
    CommandError::new_err(error.to_string())
}

pub(crate) fn dissection(error: &tutk_bindings::Error) -> PyErr {
    match error {
        tutk_bindings::Error::Url(error) => url(error),
        error => CaptureError::new_err(error.to_string()),
    }
}

pub(crate) fn capture(error: &tutk_bindings::tutk_dissect::Error) -> PyErr {
    CaptureError::new_err(error.to_string())
}

pub(crate) fn command(py: Python<'_>, error: &tutk_bindings::CommandError) -> PyErr {
    use tutk_bindings::CommandError as E;
    use tutk_runtime::Error as R;
    match error {
        E::Session(error @ (R::Session(_) | R::Io(_) | R::Closed)) => session(py, error),
        error => CommandError::new_err(error.to_string()),
    }
}

pub(crate) fn session(py: Python<'_>, error: &tutk_runtime::Error) -> PyErr {
    let (kind, phase, advice) = match error {
        tutk_runtime::Error::Session(error) => {
            let kind = match error.failure() {
                Failure::Silent => "silent",
                Failure::Refused => "refused",
                Failure::Interrupted => "interrupted",
            };
            (kind, Some(error.phase().name()), Some(error.advice()))
        }
        _ => ("system", None, None),
    };
    let raised = SessionError::new_err(error.to_string());
    let value = raised.value(py);
    let set = value
        .setattr("kind", kind)
        .and_then(|()| value.setattr("phase", phase))
        .and_then(|()| value.setattr("advice", advice));
    set.err().unwrap_or(raised)
}
