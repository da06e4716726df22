//! The limit of open files of this process.

/// Returns the limit, and how far it can be raised.
#[cfg(unix)]
pub(crate) fn limits() -> (u64, u64) {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let of = |limit: Option<u64>| limit.unwrap_or(u64::MAX);
    (of(limit.current), of(limit.maximum))
}

/// Raises the limit. Returns `false` if the system refuses.
#[cfg(unix)]
pub(crate) fn raise(limit: u64, maximum: u64) -> bool {
    let finite = |limit: u64| Some(limit).filter(|limit| *limit != u64::MAX);
    let new = rustix::process::Rlimit {
        current: finite(limit),
        maximum: finite(maximum),
    };
    let raised = rustix::process::setrlimit(rustix::process::Resource::Nofile, new);
    raised.is_ok()
}

/// Sockets of other systems have no such limit.
#[cfg(not(unix))]
pub(crate) fn limits() -> (u64, u64) {
    (u64::MAX, u64::MAX)
}

#[cfg(not(unix))]
pub(crate) fn raise(_: u64, _: u64) -> bool {
    false
}
