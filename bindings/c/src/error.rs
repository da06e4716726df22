//! Status codes, error messages, and panics.

use std::cell::RefCell;
use std::ffi::{CString, c_char};
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use tutk_bindings::tutk_dissect;
use tutk_bindings::tutk_runtime;
use tutk_bindings::tutk_session::{self, CredentialsError, Failure as Kind, UrlError, hl_ioctl};
use tutk_bindings::{CommandError, Error as DissectionError};

/// The result of a function. Errors are negative. `tutk_last_error` describes the newest error of
/// the calling thread.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Success.
    Ok = 0,
    /// The time limit is over. Call again to wait longer.
    Timeout = 1,
    /// There is nothing more: the session was closed, or the capture has no more lines.
    Ended = 2,
    /// A pointer is null, a length or flag is invalid, a text is not UTF-8, or a command has values
    /// that it does not have.
    InvalidArgument = -1,
    /// The camera's address or keys are malformed.
    InvalidUrl = -2,
    /// The file is not a capture, is damaged, or its key log is malformed.
    InvalidCapture = -3,
    /// The camera was not found or does not answer.
    Silent = -4,
    /// The camera refused: UID, ENR or key are wrong, it cannot serve now, or it did not confirm a
    /// command.
    Refused = -5,
    /// The stream was interrupted.
    Interrupted = -6,
    /// The camera did not answer a command.
    Unanswered = -7,
    /// There is no authenticated session at the moment.
    NotConnected = -8,
    /// A socket, a host name, a thread or randomness is not available.
    System = -9,
    /// A bug of this library: it has panicked. Free the object that was used.
    Panic = -10,
}

/// An error with its message.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: Status,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(status: Status, message: impl ToString) -> Self {
        let message = message.to_string();
        Self { status, message }
    }

    pub(crate) fn argument(name: &str, what: &str) -> Self {
        Self::new(Status::InvalidArgument, format!("invalid {name}: {what}"))
    }
}

impl From<UrlError> for Failure {
    fn from(error: UrlError) -> Self {
        Self::new(Status::InvalidUrl, error)
    }
}

impl From<CredentialsError> for Failure {
    fn from(error: CredentialsError) -> Self {
        Self::new(Status::InvalidUrl, error)
    }
}

impl From<hl_ioctl::Error> for Failure {
    fn from(error: hl_ioctl::Error) -> Self {
        Self::new(Status::InvalidArgument, error)
    }
}

impl From<tutk_dissect::Error> for Failure {
    fn from(error: tutk_dissect::Error) -> Self {
        Self::new(Status::InvalidCapture, error)
    }
}

impl From<DissectionError> for Failure {
    fn from(error: DissectionError) -> Self {
        match error {
            DissectionError::Url(error) => error.into(),
            error => Self::new(Status::InvalidCapture, error),
        }
    }
}

impl From<&tutk_session::Error> for Failure {
    fn from(error: &tutk_session::Error) -> Self {
        let status = match error.failure() {
            Kind::Silent => Status::Silent,
            Kind::Refused => Status::Refused,
            Kind::Interrupted => Status::Interrupted,
        };
        Self::new(status, error)
    }
}

impl From<tutk_runtime::Error> for Failure {
    fn from(error: tutk_runtime::Error) -> Self {
        use tutk_runtime::Error as E;
        let status = match &error {
            E::Session(error) => return error.into(),
            E::Io(error) if error.kind() == std::io::ErrorKind::NotFound => Status::Silent,
            E::Unanswered { .. } => Status::Unanswered,
            E::NotConnected => Status::NotConnected,
            E::Closed => Status::Ended,
            E::TooManyRequests(_) => Status::InvalidArgument,
            _ => Status::System,
        };
        Self::new(status, error)
    }
}

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Self {
        let status = match error {
            CommandError::Session(error) => return error.into(),
            CommandError::Request(_) => Status::InvalidArgument,
            CommandError::Answer(_) | CommandError::Refused { .. } => Status::Refused,
        };
        Self::new(status, error)
    }
}

thread_local! {
    static LAST_ERROR: RefCell<CString> = RefCell::default();
}

/// Runs the body of a function. An error or panic becomes its status, and the message is kept.
pub(crate) fn guard(body: impl FnOnce() -> Result<Status, Failure>) -> Status {
    // After a panic the caller may only free the objects that the body has changed.
    let result = catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| {
        let message = (panic.downcast_ref::<String>().map(String::as_str))
            .or_else(|| panic.downcast_ref().copied())
            .unwrap_or("no message");
        Err(Failure::new(
            Status::Panic,
            format!("the library has panicked, which is a bug: {message}"),
        ))
    });
    result.unwrap_or_else(|failure| {
        let message = c_string(failure.message);
        // Without a place for the message, as at the end of a thread, there is only the status.
        let _ = LAST_ERROR.try_with(|last| *last.borrow_mut() = message);
        failure.status
    })
}

/// As [`guard`], for a function that returns a pointer which the caller owns. On failure, `place`
/// is null.
pub(crate) fn give_pointer<T>(
    place: Result<&mut MaybeUninit<*mut T>, Failure>,
    make: impl FnOnce() -> Result<*mut T, Failure>,
) -> Status {
    guard(|| {
        let place = place?.write(ptr::null_mut());
        *place = make()?;
        Ok(Status::Ok)
    })
}

/// Converts a text. It ends at a NUL, which no text of this library contains.
pub(crate) fn c_string(text: String) -> CString {
    CString::new(text).unwrap_or_else(|error| {
        let end = error.nul_position();
        let mut bytes = error.into_vec();
        bytes.truncate(end);
        CString::new(bytes).unwrap_or_default()
    })
}

/// Returns the message of the newest error in the calling thread, or an empty text.
///
/// The text belongs to the library and is valid until the next error in this thread. May be called
/// from any thread.
#[unsafe(no_mangle)]
pub extern "C" fn tutk_last_error() -> *const c_char {
    LAST_ERROR
        .try_with(|last| last.borrow().as_ptr())
        .unwrap_or(c"".as_ptr())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CStr;

    fn last_error() -> String {
        // SAFETY: the pointer is of a text that this thread does not change meanwhile.
        let text = unsafe { CStr::from_ptr(tutk_last_error()) };
        text.to_str().unwrap().to_owned()
    }

    #[test]
    fn a_panic_becomes_a_status() {
        assert_eq!(guard(|| panic!("slice {}", 7)), Status::Panic);
        assert!(last_error().ends_with("a bug: slice 7"), "{}", last_error());
    }

    #[test]
    fn the_last_error_is_that_of_the_thread() {
        guard(|| Err(Failure::new(Status::System, "a\0b")));
        assert_eq!(last_error(), "a");
        guard(|| Ok(Status::Ok));
        assert_eq!(last_error(), "a");
        let other = std::thread::scope(|scope| scope.spawn(last_error).join());
        assert_eq!(other.unwrap(), "");
    }
}
