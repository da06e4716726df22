//! The catalogue of commands, and requests as JSON.

use core::time::Duration;

use serde_json::{Value, json};
use tutk_session::hl_ioctl::{self, CATALOGUE, Context, Control, Operation};
use tutk_session::models::command_profile;

/// Returns the catalogue: an array of [`Control::to_json`].
#[must_use]
pub fn controls() -> Value {
    CATALOGUE.iter().map(Control::to_json).collect()
}

/// What requests to a camera of this model depend on, at this time since 1970.
#[must_use]
pub fn command_context(model: Option<&str>, unix: Option<Duration>) -> Context {
    Context {
        profile: command_profile(model),
        now_unix_millis: unix.and_then(|unix| u64::try_from(unix.as_millis()).ok()),
    }
}

/// Returns the request that reads the control, or sets it to the values if there are some, as
/// `{"code": …, "payload": …}` with the payload in hexadecimal digits.
///
/// # Errors
/// [`hl_ioctl::Error`] for an unknown control and for values that it does not have.
pub fn request(
    control: &str,
    values: &[&str],
    context: &Context,
) -> Result<Value, hl_ioctl::Error> {
    let operation = Operation::parse(control, values.iter().copied())?;
    let request = operation.request(context)?;
    let payload = tutk_dissect::Value::Bytes(request.payload);
    Ok(json!({ "code": request.code, "payload": payload }))
}

/// Converts the payload of the answer to [`request`] with the same control and values to JSON: the
/// value read, or `"done"`.
///
/// # Errors
/// [`hl_ioctl::Error`] for an unknown control and for an answer that is malformed.
pub fn describe_answer(
    control: &str,
    values: &[&str],
    answer: &[u8],
) -> Result<Value, hl_ioctl::Error> {
    Operation::parse(control, values.iter().copied())?.describe(answer)
}
