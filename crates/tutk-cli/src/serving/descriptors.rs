//! File descriptors: viewers must not take those of cameras and recordings.

use tutk_serve::{MAX_CONNECTIONS, MAX_UNAUTHENTICATED};

use crate::open_files::{limits, raise};

/// The descriptors of a camera: a socket and the next one, two files, a capture, folders that are
/// read or flushed.
const PER_CAMERA: u64 = 8;

/// The descriptors of everything else but connections: listeners and connections that are being
/// closed, signals, the runtime, name look-ups.
const OTHER: u64 = 64;

/// How many descriptors are needed, and how many connections each server may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Share {
    /// The new limit of the process.
    limit: u64,
    connections: usize,
}

/// Raises the limit of open files as far as necessary and allowed. Returns the maximum number of
/// authenticated connections of each of the two servers.
pub(crate) fn connections(cameras: usize) -> usize {
    let (current, maximum) = limits();
    let share = share(current, maximum, cameras);
    if share.limit > current && !raise(share.limit, maximum) {
        return self::share(current, current, cameras).connections;
    }
    if share.connections < MAX_CONNECTIONS {
        tracing::warn!(
            "the limit of open files is {}: at most {} connections to each server (ulimit -n, LimitNOFILE=)",
            share.limit,
            share.connections
        );
    }
    share.connections
}

fn share(current: u64, maximum: u64, cameras: usize) -> Share {
    let reserved = PER_CAMERA
        .saturating_mul(cameras as u64)
        .saturating_add(OTHER);
    let most = MAX_CONNECTIONS + MAX_UNAUTHENTICATED;
    let wanted = reserved.saturating_add(2 * most as u64);
    let limit = current.max(wanted.min(maximum));
    let each = limit.saturating_sub(reserved) / 2;
    let each = usize::try_from(each).unwrap_or(most);
    Share {
        limit,
        // There are as many unauthenticated connections, up to their own limit.
        connections: match each >= most {
            true => MAX_CONNECTIONS,
            false => (each / 2)
                .max(each.saturating_sub(MAX_UNAUTHENTICATED))
                .max(1),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cameras_keep_their_descriptors() {
        let all = (MAX_CONNECTIONS + MAX_UNAUTHENTICATED) as u64;
        let max = MAX_CONNECTIONS;
        let enough = 2 * all + OTHER + 10 * PER_CAMERA;
        for (current, maximum, limit, connections) in [
            (1_024, 1_024, 1_024, max),
            (256, 1 << 20, enough, max),
            (u64::MAX, u64::MAX, u64::MAX, max),
            // 408 for connections: 204 for each server, half of them unauthenticated.
            (552, 552, 552, 102),
            (0, 0, 0, 1),
        ] {
            let share = share(current, maximum, 10);
            assert_eq!((share.limit, share.connections), (limit, connections));
        }
        for limit in (0..2_000).step_by(7) {
            let Share { connections, .. } = share(limit, limit, 10);
            let used = 2 * (connections + connections.min(MAX_UNAUTHENTICATED)) as u64;
            assert!(used + OTHER + 10 * PER_CAMERA <= limit.max(148), "{limit}");
        }
    }
}
