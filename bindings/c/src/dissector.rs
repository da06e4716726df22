//! Captures as lines of text or JSON.

use std::ffi::{CString, c_char};
use std::ptr;

use bytes::Bytes;
use tutk_bindings::{Dissection, dissect_datagram};

use crate::address;
use crate::arguments::{exclusive, optional_text, out, slice, take, text};
use crate::error::{Failure, Status, c_string, give_pointer, guard};
use crate::json::give;

/// The form of a line.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineFormat {
    /// JSON: `{"packet":…}` for each packet, then `{"session":…}` for each session.
    Json = 0,
    /// One line for each packet, for people.
    Text = 1,
}

/// A capture that is dissected.
///
/// Not safe for use by several threads at the same time. It may move from one thread to another.
pub struct Dissector {
    dissection: Dissection,
    line: CString,
}

/// Starts to dissect a pcap or pcapng file of `len` bytes at `data`, which are copied.
///
/// `key_log` are `key_log_len` bytes of a key log in SSLKEYLOGFILE format; it may be null. The keys
/// of a capture of `tutk record` are in the file itself. `url` is the address of a camera whose
/// keys are used, or null. `*dissector` is owned by the caller, who passes it to
/// `tutk_dissector_free`. On failure it is null.
///
/// # Safety
/// The bytes are valid; `url` is null or a text that ends with NUL; `dissector` is valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tutk_dissector_new(
    data: *const u8,
    len: usize,
    key_log: *const u8,
    key_log_len: usize,
    url: *const c_char,
    dissector: *mut *mut Dissector,
) -> Status {
    // SAFETY: as required of the caller.
    give_pointer(unsafe { out(dissector, "dissector") }, || {
        // SAFETY: as required of the caller.
        let file = unsafe { slice(data, len, "data") }?;
        // SAFETY: as required of the caller.
        let key_log = unsafe { slice(key_log, key_log_len, "key_log") }?;
        // SAFETY: as required of the caller.
        let url = unsafe { optional_text(url, "url") }?;
        let key_log = (!key_log.is_empty()).then_some(key_log);
        let dissection = Dissection::new(
            Bytes::copy_from_slice(file),
            key_log.as_slice(),
            url.as_slice(),
        )?;
        Ok(Box::into_raw(Box::new(Dissector {
            dissection,
            line: CString::default(),
        })))
    })
}

/// Returns the next line, or TUTK_STATUS_ENDED after the last one.
///
/// `format` is one of tutk_line_format. `*line` is in UTF-8, ends with NUL instead of a line break,
/// belongs to the library and is valid until the next call of a function with this dissector.
///
/// # Safety
/// `dissector` is from `tutk_dissector_new`; `line` is valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tutk_dissector_next(
    dissector: *mut Dissector,
    format: i32,
    line: *mut *const c_char,
) -> Status {
    guard(|| {
        // SAFETY: as required of the caller.
        let line = unsafe { out(line, "line") }?.write(ptr::null());
        // SAFETY: as required of the caller.
        let dissector = unsafe { exclusive(dissector, "dissector") }?;
        let next = if format == LineFormat::Json as i32 {
            dissector.dissection.next_json()?
        } else if format == LineFormat::Text as i32 {
            dissector.dissection.next_text()?
        } else {
            let what = "expected a value of tutk_line_format";
            return Err(Failure::argument("format", what));
        };
        let Some(next) = next else {
            return Ok(Status::Ended);
        };
        dissector.line = c_string(next);
        *line = dissector.line.as_ptr();
        Ok(Status::Ok)
    })
}

/// Frees a dissector. Null is ignored.
///
/// # Safety
/// `dissector` is null or from `tutk_dissector_new`, and not used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tutk_dissector_free(dissector: *mut Dissector) {
    guard(|| {
        // SAFETY: it was made by `Box::into_raw`, and the caller gives it up.
        drop(unsafe { take(dissector) });
        Ok(Status::Ok)
    });
}

/// Dissects a single datagram, as the first one of a capture. `source` and `destination` are
/// addresses such as "192.0.2.7:32761".
///
/// `*json` is the value of `packet` in a line of JSON, or `null` if the datagram is not of the
/// protocol. The caller passes it to `tutk_string_free`. May be called from any thread.
///
/// # Safety
/// The texts end with NUL; the `len` bytes at `data` and `json` are valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tutk_dissect_datagram(
    source: *const c_char,
    destination: *const c_char,
    data: *const u8,
    len: usize,
    json: *mut *mut c_char,
) -> Status {
    // SAFETY: as required of the caller.
    give(unsafe { out(json, "json") }, || {
        // SAFETY: as required of the caller.
        let (source, destination) =
            unsafe { (text(source, "source")?, text(destination, "destination")?) };
        let source = address::parse(source, "source")?;
        let destination = address::parse(destination, "destination")?;
        // SAFETY: as required of the caller.
        let data = unsafe { slice(data, len, "data") }?;
        let packet = dissect_datagram(source, destination, data);
        Ok(packet.unwrap_or_else(|| "null".to_owned()))
    })
}
