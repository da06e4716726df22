//! Which connections a server keeps.
//!
//! A connection is unauthenticated until its first request that needs authentication succeeds.
//! Without accounts, that is its first valid request. Unauthenticated connections have places of
//! their own, so that they cannot use up those of viewers. If there are too many, the oldest one of
//! the address that has the most is closed.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::login_budget::prefix;

/// How long a client has to authenticate. After that its connection is closed.
pub const AUTHENTICATION_TIME: Duration = Duration::from_secs(10);

/// The maximum number of unauthenticated connections of a server, in addition to its limit of
/// connections. If that limit is lower, it also applies to them.
pub const MAX_UNAUTHENTICATED: usize = 128;

/// The maximum number of unauthenticated connections from one address, or from one /64 network of
/// IPv6.
pub const MAX_UNAUTHENTICATED_PER_ADDRESS: usize = 64;

/// The maximum number of connections that are already evicted and not closed yet.
const MAX_CLOSING: usize = 8;

/// The connections of a server.
#[derive(Debug)]
pub(crate) struct Admission {
    /// One permit for each socket.
    sockets: Arc<Semaphore>,
    places: Arc<Semaphore>,
    max_unauthenticated: usize,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    next_id: u64,
    /// The unauthenticated connections, oldest first.
    connections: Vec<Unauthenticated>,
}

#[derive(Debug)]
struct Unauthenticated {
    id: u64,
    address: IpAddr,
    evicted: Arc<Notify>,
}

/// Counts as one connection until the last clone is dropped.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionSlot(Arc<Slot>);

#[derive(Debug)]
struct Slot {
    admission: Arc<Admission>,
    id: u64,
    _socket: OwnedSemaphorePermit,
    evicted: Arc<Notify>,
    /// The place of an authenticated connection.
    place: OnceLock<OwnedSemaphorePermit>,
}

/// The limit of connections is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

impl Admission {
    pub(crate) fn new(max_connections: usize) -> Arc<Self> {
        let semaphore =
            |permits: usize| Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS)));
        let max_unauthenticated = MAX_UNAUTHENTICATED.min(max_connections);
        let sockets = max_connections.saturating_add(max_unauthenticated + MAX_CLOSING);
        Arc::new(Self {
            sockets: semaphore(sockets),
            places: semaphore(max_connections),
            max_unauthenticated,
            waiting: Mutex::default(),
        })
    }

    /// Waits until another socket may be opened.
    pub(crate) async fn socket(&self) -> OwnedSemaphorePermit {
        let permit = Arc::clone(&self.sockets).acquire_owned().await;
        match permit {
            Ok(permit) => permit,
            // The semaphore is never closed.
            Err(_) => std::future::pending().await,
        }
    }

    /// Registers a new connection. Evicts another one if there are too many. Returns the address of
    /// the evicted one.
    pub(crate) fn register(
        self: &Arc<Self>,
        peer: IpAddr,
        socket: OwnedSemaphorePermit,
    ) -> (ConnectionSlot, Option<IpAddr>) {
        let address = prefix(peer);
        let mut waiting = self.lock();
        let evicted = waiting.make_room(address, self.max_unauthenticated);
        let id = waiting.next_id;
        waiting.next_id += 1;
        let notify = Arc::new(Notify::new());
        waiting.connections.push(Unauthenticated {
            id,
            address,
            evicted: Arc::clone(&notify),
        });
        let slot = Slot {
            admission: Arc::clone(self),
            id,
            _socket: socket,
            evicted: notify,
            place: OnceLock::new(),
        };
        (ConnectionSlot(Arc::new(slot)), evicted)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn count(&self, address: IpAddr) -> usize {
        let connections = self.connections.iter();
        connections
            .filter(|connection| connection.address == address)
            .count()
    }

    /// Evicts the oldest connection of `address`, or of the address with the most connections, if
    /// one of the limits is reached.
    fn make_room(&mut self, address: IpAddr, max: usize) -> Option<IpAddr> {
        let victim = if self.count(address) >= MAX_UNAUTHENTICATED_PER_ADDRESS {
            address
        } else if self.connections.len() >= max {
            let addresses = self.connections.iter().map(|connection| connection.address);
            addresses.max_by_key(|address| self.count(*address))?
        } else {
            return None;
        };
        let mut connections = self.connections.iter();
        let at = connections.position(|connection| connection.address == victim)?;
        self.connections.remove(at).evicted.notify_one();
        Some(victim)
    }
}

impl ConnectionSlot {
    /// Gives the connection a place among the authenticated ones, where it stays.
    ///
    /// # Errors
    /// [`Full`] if there is none.
    pub(crate) fn admit(&self) -> Result<(), Full> {
        let slot = &self.0;
        if slot.place.get().is_some() {
            return Ok(());
        }
        let mut waiting = slot.admission.lock();
        let mut connections = waiting.connections.iter();
        // An evicted connection is not admitted. It is about to be closed.
        let at = connections
            .position(|connection| connection.id == slot.id)
            .ok_or(Full)?;
        let place = Arc::clone(&slot.admission.places).try_acquire_owned();
        let place = place.map_err(|_| Full)?;
        waiting.connections.remove(at);
        // Another request of the same connection cannot have been faster, because of the lock.
        let _ = slot.place.set(place);
        // `expired` waits forever from now on, instead of being polled for each frame.
        slot.evicted.notify_one();
        Ok(())
    }

    /// Waits until the connection must be closed: it was evicted, or has not authenticated in time.
    pub(crate) async fn expired(&self) {
        let slot = &self.0;
        tokio::select! {
            () = slot.evicted.notified() => {}
            () = tokio::time::sleep(AUTHENTICATION_TIME) => {}
        }
        if slot.place.get().is_some() {
            std::future::pending().await
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut waiting = self.admission.lock();
        waiting
            .connections
            .retain(|connection| connection.id != self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    fn register(admission: &Arc<Admission>, peer: IpAddr) -> (ConnectionSlot, Option<IpAddr>) {
        let socket = Arc::clone(&admission.sockets).try_acquire_owned();
        admission.register(peer, socket.unwrap())
    }

    #[test]
    fn oldest_connection_of_the_busiest_address_is_evicted() {
        let admission = Admission::new(2 * MAX_UNAUTHENTICATED);
        let mut slots = Vec::new();
        for _ in 0..MAX_UNAUTHENTICATED_PER_ADDRESS {
            let (slot, evicted) = register(&admission, address(1));
            assert_eq!(evicted, None);
            slots.push(slot);
        }
        let (newest, evicted) = register(&admission, address(1));
        assert_eq!(evicted, Some(address(1)));
        assert_eq!(slots[0].admit(), Err(Full), "evicted");
        assert_eq!(newest.admit(), Ok(()));
        // Other addresses, until the total is reached.
        for last in 10.. {
            let (slot, evicted) = register(&admission, address(last));
            slots.push(slot);
            if let Some(evicted) = evicted {
                assert_eq!(evicted, address(1));
                break;
            }
        }
        assert!(admission.lock().connections.len() <= MAX_UNAUTHENTICATED);
        slots.clear();
        assert!(admission.lock().connections.is_empty());
    }

    #[test]
    fn authenticated_connections_keep_their_places() {
        let admission = Admission::new(1);
        let (first, _) = register(&admission, address(1));
        assert_eq!(first.clone().admit(), Ok(()));
        assert_eq!(first.admit(), Ok(()));
        let (late, evicted) = register(&admission, address(3));
        assert_eq!((late.admit(), evicted), (Err(Full), None));
        let (later, evicted) = register(&admission, address(4));
        assert_eq!(evicted, Some(address(3)));
        drop(first);
        assert_eq!(late.admit(), Err(Full), "evicted");
        assert_eq!(later.admit(), Ok(()));
    }
}
