//! Functions that return JSON.

use std::ffi::{CString, c_char};
use std::mem::MaybeUninit;
use std::time::Duration;

use tutk_bindings::tutk_session::models::command_context;
use tutk_bindings::{controls, describe_answer, parse_url, request};

use crate::arguments::{optional_text, out, slice, text, texts};
use crate::error::{Failure, Status, c_string, give_pointer};

/// Writes a text that the caller frees to `place`, or null on failure.
pub(crate) fn give(
    place: Result<&mut MaybeUninit<*mut c_char>, Failure>,
    make: impl FnOnce() -> Result<String, Failure>,
) -> Status {
    give_pointer(place, || Ok(c_string(make()?).into_raw()))
}

/// Frees a text that a function of this library has given to the caller. Null is ignored.
///
/// # Safety
/// `text` is null or such a text, and not used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tutk_string_free(text: *mut c_char) {
    if !text.is_null() {
        // SAFETY: it was made by `CString::into_raw`, and the caller gives it up.
        drop(unsafe { CString::from_raw(text) });
    }
}

/// Parses a camera's address. `*json` has the keys `host`, `port`, `uid`, `mac`, `parent_mac`,
/// `model`, `subtype` and `user_id`, but no secret. The caller passes it to `tutk_string_free`.
///
/// May be called from any thread.
///
/// # Safety
/// `url` is a text that ends with NUL; `json` is valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tutk_url_json(url: *const c_char, json: *mut *mut c_char) -> Status {
    // SAFETY: as required of the caller.
    give(unsafe { out(json, "json") }, || {
        // SAFETY: as required of the caller.
        let url = unsafe { text(url, "url") }?;
        Ok(parse_url(url)?.to_string())
    })
}

/// Returns the catalogue of commands: an array of objects with `name`, `summary`, the codes `get`
/// and `set`, and the `values`. The caller passes it to `tutk_string_free`.
///
/// May be called from any thread.
///
/// # Safety
/// `json` is valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tutk_controls_json(json: *mut *mut c_char) -> Status {
    // SAFETY: as required of the caller.
    give(unsafe { out(json, "json") }, || Ok(controls().to_string()))
}

/// Encodes the request that reads a control, or sets it to `count` values if there are some.
///
/// `model` is the vendor's name of the model, or null. `unix_ms` is the time in milliseconds since
/// 1970, for the value `now`. `*json` has the keys `code` and `payload`, in hexadecimal digits. The
/// caller passes it to `tutk_string_free`. May be called from any thread.
///
/// # Safety
/// The texts end with NUL; `json` is valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tutk_request_json(
    control: *const c_char,
    values: *const *const c_char,
    count: usize,
    model: *const c_char,
    unix_ms: u64,
    json: *mut *mut c_char,
) -> Status {
    // SAFETY: as required of the caller.
    give(unsafe { out(json, "json") }, || {
        // SAFETY: as required of the caller.
        let control = unsafe { text(control, "control") }?;
        // SAFETY: as required of the caller.
        let values = unsafe { texts(values, count, "values") }?;
        // SAFETY: as required of the caller.
        let model = unsafe { optional_text(model, "model") }?;
        let context = command_context(model, Some(Duration::from_millis(unix_ms)));
        Ok(request(control, &values, &context)?.to_string())
    })
}

/// Converts the payload of the answer to a request with this control and these values to JSON: the
/// value read, or "done" in quotes. The caller passes `*json` to `tutk_string_free`.
///
/// May be called from any thread.
///
/// # Safety
/// The texts end with NUL; the `len` bytes at `payload` and `json` are valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tutk_answer_json(
    control: *const c_char,
    values: *const *const c_char,
    count: usize,
    payload: *const u8,
    len: usize,
    json: *mut *mut c_char,
) -> Status {
    // SAFETY: as required of the caller.
    give(unsafe { out(json, "json") }, || {
        // SAFETY: as required of the caller.
        let control = unsafe { text(control, "control") }?;
        // SAFETY: as required of the caller.
        let values = unsafe { texts(values, count, "values") }?;
        // SAFETY: as required of the caller.
        let payload = unsafe { slice(payload, len, "payload") }?;
        Ok(describe_answer(control, &values, payload)?.to_string())
    })
}
