//! The catalogue of commands, and requests as JSON.

use serde_json::{Value, json};
use tutk_session::hl_ioctl::{self, CATALOGUE, Context, Control, Operation};

/// Returns the catalogue: an array of [`Control::to_json`].
#[must_use]
pub fn controls() -> Value {
    CATALOGUE.iter().map(Control::to_json).collect()
}

/// Returns the request that reads the control, or sets it to the values if there are some, as
/// `{"code": …, "payload": …}` with the payload in hexadecimal digits.
///
/// # Errors
/// [`hl_ioctl::Error`] for an unknown control and for values that it does not have.
pub fn request(
    control: &str,
    values: &[impl AsRef<str>],
    context: &Context,
) -> Result<Value, hl_ioctl::Error> {
    let operation = Operation::parse(control, values.iter().map(AsRef::as_ref))?;
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
    values: &[impl AsRef<str>],
    answer: &[u8],
) -> Result<Value, hl_ioctl::Error> {
    Operation::parse(control, values.iter().map(AsRef::as_ref))?.describe(answer)
}
