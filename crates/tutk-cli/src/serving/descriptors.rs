//! File descriptors: viewers must not take those of cameras and recordings.

use tutk_serve::{HttpLimits, MAX_CONNECTIONS, MAX_UNAUTHENTICATED};

use super::plan::Servers;
use crate::open_files::{limits, raise};

/// The descriptors of a camera: a socket and the next one, two files, a capture, folders that are
/// read or flushed.
const PER_CAMERA: u64 = 8;

/// The descriptors of everything else but connections: listeners and connections that are being
/// closed, signals, the runtime, name look-ups.
const OTHER: u64 = 64;

/// The limits of each listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Authenticated RTSP connections.
    pub(crate) rtsp: usize,
    /// Authenticated HTTP connections.
    pub(crate) http: usize,
    /// Streams over HTTP.
    pub(crate) http_viewers: usize,
}

/// How many descriptors are needed, and how many connections each listener may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Share {
    /// The new limit of the process.
    limit: u64,
    connections: [usize; 2],
}

/// The numbers of RTSP and HTTP listeners, and the wanted number of connections to each of them.
#[derive(Debug, Clone, Copy)]
struct Wanted([(usize, usize); 2]);

/// Raises the limit of open files as far as necessary and allowed. Returns the limits of each
/// listener.
pub(crate) fn limits_of(servers: &Servers, cameras: usize) -> Limits {
    let http = HttpLimits::default();
    let rtsp = servers
        .max_rtsp_viewers
        .map_or(MAX_CONNECTIONS, usize::from);
    let http_viewers = servers.max_http_viewers.map_or(http.viewers, usize::from);
    // Requests other than streams have as many connections as by default.
    let connections = http_viewers + (http.connections - http.viewers);
    let count = |addresses: [Option<_>; 2]| addresses.into_iter().flatten().count();
    let wanted = Wanted([
        (count([servers.rtsp, servers.rtsps]), rtsp),
        (count([servers.http, servers.https]), connections),
    ]);
    let [rtsp, http] = connections_of(wanted, cameras);
    Limits {
        rtsp,
        http,
        http_viewers: http_viewers.min(http),
    }
}

fn connections_of(wanted: Wanted, cameras: usize) -> [usize; 2] {
    let (current, maximum) = limits();
    let mut share = share(current, maximum, cameras, wanted);
    if share.limit > current && !raise(share.limit, maximum) {
        share = self::share(current, current, cameras, wanted);
    }
    if share.connections != wanted.0.map(|(_, connections)| connections) {
        let [rtsp, http] = share.connections;
        tracing::warn!(
            "the limit of open files is {}: at most {rtsp} RTSP and {http} HTTP connections to each address (ulimit -n, LimitNOFILE=)",
            share.limit
        );
    }
    share.connections
}

/// The descriptors of the connections to one listener, with those that are not authenticated.
fn descriptors(connections: usize) -> u64 {
    (connections + connections.min(MAX_UNAUTHENTICATED)) as u64
}

fn share(current: u64, maximum: u64, cameras: usize, Wanted(wanted): Wanted) -> Share {
    let reserved = PER_CAMERA
        .saturating_mul(cameras as u64)
        .saturating_add(OTHER);
    let all = wanted.map(|(listeners, connections)| listeners as u64 * descriptors(connections));
    let all: u64 = all.iter().sum();
    let limit = current.max(reserved.saturating_add(all).min(maximum));
    let available = limit.saturating_sub(reserved);
    let fewer = |(_, connections): (usize, usize)| {
        // In proportion to the wanted numbers, each the same share of which is unauthenticated.
        let each = descriptors(connections).saturating_mul(available) / all.max(1);
        let each = usize::try_from(each).unwrap_or(usize::MAX);
        let connections = (each / 2).max(each.saturating_sub(MAX_UNAUTHENTICATED));
        connections.max(1)
    };
    Share {
        limit,
        connections: match available >= all {
            true => wanted.map(|(_, connections)| connections),
            false => wanted.map(fewer),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cameras_keep_their_descriptors() {
        let wanted = Wanted([(1, 256), (1, 256)]);
        let enough = 2 * (256 + 128) + OTHER + 10 * PER_CAMERA;
        for (current, maximum, limit, connections) in [
            (1_024, 1_024, 1_024, 256),
            (256, 1 << 20, enough, 256),
            (u64::MAX, u64::MAX, u64::MAX, 256),
            // 408 for connections: 204 for each server, half of them unauthenticated.
            (552, 552, 552, 102),
            (0, 0, 0, 1),
        ] {
            let share = share(current, maximum, 10, wanted);
            assert_eq!((share.limit, share.connections), (limit, [connections; 2]));
        }
    }

    #[test]
    fn listeners_share_the_descriptors_in_proportion() {
        for wanted in [
            [(1, 256), (1, 256)],
            [(2, 1_000), (1, 64)],
            [(1, 100), (2, 5_000)],
            [(0, 256), (1, 256)],
        ] {
            for limit in (0..20_000).step_by(7) {
                let Share { connections, .. } = share(limit, limit, 10, Wanted(wanted));
                let used: u64 = (wanted.iter().zip(connections))
                    .map(|((listeners, _), each)| *listeners as u64 * descriptors(each))
                    .sum();
                // Each listener has at least one connection, and room for another.
                let minimum: u64 = wanted
                    .iter()
                    .map(|(listeners, _)| 2 * *listeners as u64)
                    .sum();
                let available = limit.saturating_sub(OTHER + 10 * PER_CAMERA);
                let within = used <= available + minimum;
                assert!(within, "{wanted:?}, {limit}: {connections:?}");
                for ((_, most), each) in wanted.iter().zip(connections) {
                    assert!(each <= *most, "{wanted:?}, {limit}: {connections:?}");
                }
            }
        }
    }
}
