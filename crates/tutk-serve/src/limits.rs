//! Limits on names.

/// The maximum length of a camera's name, in bytes.
pub const MAX_NAME_BYTES: usize = 64;

/// The maximum length of an account's name and of its password, in bytes.
pub const MAX_ACCOUNT_BYTES: usize = 256;
