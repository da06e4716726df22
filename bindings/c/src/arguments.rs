//! Conversion of pointers from the caller.
//!
//! Each function returns an error for a null pointer, and otherwise relies on what the header
//! requires of the caller: the pointer is aligned, and valid for the length and time in question.

use std::ffi::{CStr, c_char};
use std::mem::MaybeUninit;

use crate::error::Failure;

const NULL: &str = "the pointer is null";

/// # Safety
/// `pointer` is null, or valid for reads and not written to during `'a`.
pub(crate) unsafe fn reference<'a, T>(pointer: *const T, name: &str) -> Result<&'a T, Failure> {
    // SAFETY: as required of the caller.
    unsafe { pointer.as_ref() }.ok_or_else(|| Failure::argument(name, NULL))
}

/// # Safety
/// `pointer` is null, or valid and not used otherwise during `'a`.
pub(crate) unsafe fn exclusive<'a, T>(pointer: *mut T, name: &str) -> Result<&'a mut T, Failure> {
    // SAFETY: as required of the caller.
    unsafe { pointer.as_mut() }.ok_or_else(|| Failure::argument(name, NULL))
}

/// A place for a result, which may be uninitialized.
///
/// # Safety
/// `pointer` is null, or valid for writes and not used otherwise during `'a`.
pub(crate) unsafe fn out<'a, T>(
    pointer: *mut T,
    name: &str,
) -> Result<&'a mut MaybeUninit<T>, Failure> {
    // SAFETY: as required of the caller. `MaybeUninit` has the layout of `T`, and any content.
    unsafe { exclusive(pointer.cast(), name) }
}

/// An object that the caller gives up, `None` for null.
///
/// # Safety
/// `pointer` is null, or from `Box::into_raw`, and not used afterwards.
pub(crate) unsafe fn take<T>(pointer: *mut T) -> Option<Box<T>> {
    // SAFETY: as required of the caller.
    (!pointer.is_null()).then(|| unsafe { Box::from_raw(pointer) })
}

/// # Safety
/// `pointer` is null, or a text that ends with NUL and does not change during `'a`.
pub(crate) unsafe fn text<'a>(pointer: *const c_char, name: &str) -> Result<&'a str, Failure> {
    if pointer.is_null() {
        return Err(Failure::argument(name, NULL));
    }
    // SAFETY: it is not null; the rest is required of the caller.
    let text = unsafe { CStr::from_ptr(pointer) };
    text.to_str()
        .map_err(|_| Failure::argument(name, "the text is not UTF-8"))
}

/// As [`text`], with `None` for null.
///
/// # Safety
/// As for [`text`].
pub(crate) unsafe fn optional_text<'a>(
    pointer: *const c_char,
    name: &str,
) -> Result<Option<&'a str>, Failure> {
    match pointer.is_null() {
        true => Ok(None),
        // SAFETY: as required of the caller.
        false => unsafe { text(pointer, name) }.map(Some),
    }
}

/// # Safety
/// `pointer` is null, or an array of `count` texts as for [`text`].
pub(crate) unsafe fn texts<'a>(
    pointer: *const *const c_char,
    count: usize,
    name: &str,
) -> Result<Vec<&'a str>, Failure> {
    // SAFETY: as required of the caller.
    let pointers = unsafe { slice(pointer, count, name) }?;
    let texts = pointers.iter();
    // SAFETY: as required of the caller.
    texts.map(|&one| unsafe { text(one, name) }).collect()
}

/// Null with the length 0 is empty.
///
/// # Safety
/// `pointer` is null, or valid for reads of `len` items, which do not change during `'a`.
pub(crate) unsafe fn slice<'a, T>(
    pointer: *const T,
    len: usize,
    name: &str,
) -> Result<&'a [T], Failure> {
    if len == 0 {
        return Ok(&[]);
    }
    check(pointer.is_null(), len, size_of::<T>(), name)?;
    // SAFETY: not null, and not longer than an object can be; the rest is required of the caller.
    Ok(unsafe { std::slice::from_raw_parts(pointer, len) })
}

/// As [`slice`], for bytes that are overwritten.
///
/// # Safety
/// `pointer` is null, or valid for `len` bytes, which are not used otherwise during `'a`.
pub(crate) unsafe fn bytes_mut<'a>(
    pointer: *mut u8,
    len: usize,
    name: &str,
) -> Result<&'a mut [u8], Failure> {
    if len == 0 {
        return Ok(&mut []);
    }
    check(pointer.is_null(), len, 1, name)?;
    // SAFETY: not null, and not longer than an object can be; the rest is required of the caller.
    Ok(unsafe { std::slice::from_raw_parts_mut(pointer, len) })
}

fn check(is_null: bool, len: usize, size: usize, name: &str) -> Result<(), Failure> {
    if is_null {
        return Err(Failure::argument(name, NULL));
    }
    let longest = isize::MAX.unsigned_abs() / size.max(1);
    match len > longest {
        true => Err(Failure::argument(name, "the length is impossible")),
        false => Ok(()),
    }
}
