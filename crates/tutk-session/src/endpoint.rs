//! Many clients behind one socket.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::net::SocketAddr;

use tutk_time::Instant;

use crate::client::{Client, IDLE_TIMEOUT};
use crate::event::Event;
use crate::output::Output;

/// A client of an [`Endpoint`]. It is not used again after the client was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(u64);

/// Clients of many cameras that share one socket, without I/O.
///
/// A datagram goes to the client whose camera and session it names, see [`Client::accepts`]. The
/// endpoint has the [contract of all state machines](crate#how-to-drive-it). Calls through
/// [`client_mut`](Self::client_mut) are inputs, too.
///
/// A client stays until it is [removed](Self::remove), also after [`Event::Ended`], so that its
/// counters can be read.
///
/// The work for a datagram grows with the number of clients by a comparison of addresses each.
#[derive(Debug, Default)]
pub struct Endpoint {
    clients: BTreeMap<ClientId, Member>,
    next_id: u64,
    /// The clients that had an input since they were last polled, oldest first.
    ready: VecDeque<ClientId>,
    deadlines: BTreeSet<(Instant, ClientId)>,
    now: Instant,
    unclaimed: u64,
}

#[derive(Debug)]
struct Member {
    client: Client,
    /// The deadline in [`Endpoint::deadlines`], unless it has passed.
    deadline: Instant,
    is_ready: bool,
}

impl Endpoint {
    /// Creates an endpoint without clients.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a client, which starts to connect. Poll afterwards.
    pub fn insert(&mut self, client: Client) -> ClientId {
        let id = ClientId(self.next_id);
        self.next_id += 1;
        let deadline = client.deadline();
        self.deadlines.insert((deadline, id));
        let member = Member {
            client,
            deadline,
            is_ready: false,
        };
        self.clients.insert(id, member);
        self.set_ready(id);
        id
    }

    /// Closes all sessions. Each client emits [`Event::Ended`], unless it has ended before. Poll
    /// afterwards.
    pub fn close(&mut self, now: Instant) {
        self.now = now;
        let ids: Vec<ClientId> = self.clients.keys().copied().collect();
        for id in ids {
            if let Some(client) = self.client_mut(id) {
                client.close(now);
            }
        }
    }

    /// Removes a client. To end its session, close it and poll first.
    pub fn remove(&mut self, id: ClientId) -> Option<Client> {
        let member = self.clients.remove(&id)?;
        self.deadlines.remove(&(member.deadline, id));
        self.ready.retain(|ready| *ready != id);
        Some(member.client)
    }

    /// Returns a client, for its status and counters.
    #[must_use]
    pub fn client(&self, id: ClientId) -> Option<&Client> {
        self.clients.get(&id).map(|member| &member.client)
    }

    /// Returns a client, to send a command or to close it. Poll the endpoint afterwards, not the
    /// client.
    pub fn client_mut(&mut self, id: ClientId) -> Option<&mut Client> {
        self.set_ready(id);
        self.clients.get_mut(&id).map(|member| &mut member.client)
    }

    /// Returns the clients in the order in which they were added.
    pub fn clients(&self) -> impl Iterator<Item = (ClientId, &Client)> {
        self.clients
            .iter()
            .map(|(id, member)| (*id, &member.client))
    }

    /// Returns the number of datagrams that were for no client, and were dropped.
    #[must_use]
    pub fn unclaimed(&self) -> u64 {
        self.unclaimed
    }

    /// Passes a datagram that arrived from `from` to its client, which decrypts it in place.
    /// Returns that client, or `None` if it is for none. Poll afterwards.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &mut [u8],
    ) -> Option<ClientId> {
        self.now = now;
        let claims = self.clients.iter().filter_map(|(id, member)| {
            let claim = member.client.claim(from, datagram)?;
            Some((claim, core::cmp::Reverse(*id)))
        });
        // Of equal claims, the oldest client's.
        let Some((_, core::cmp::Reverse(id))) = claims.max() else {
            self.unclaimed += 1;
            return None;
        };
        let member = self.clients.get_mut(&id)?;
        member.client.handle_datagram(now, from, datagram);
        self.set_ready(id);
        Some(id)
    }

    /// Does what is due at `now`. An early call does no harm. Poll afterwards.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        // A client that is ready gets its new deadline when it is polled.
        while let Some(&(at, id)) = self.deadlines.first()
            && at <= now
        {
            self.deadlines.pop_first();
            if let Some(member) = self.clients.get_mut(&id) {
                member.client.handle_timeout(now);
            }
            self.set_ready(id);
        }
    }

    /// Returns the next output. Call again until it returns [`Output::Timeout`].
    pub fn poll_output(&mut self) -> Output<'_, (ClientId, Event)> {
        while let Some(&id) = self.ready.front() {
            let Some(member) = self.clients.get_mut(&id) else {
                self.ready.pop_front();
                continue;
            };
            if member.client.has_datagram() {
                break;
            }
            if let Some(event) = member.client.poll_event() {
                return Output::Event((id, event));
            }
            self.deadlines.remove(&(member.deadline, id));
            member.deadline = member.client.deadline();
            member.is_ready = false;
            self.deadlines.insert((member.deadline, id));
            self.ready.pop_front();
        }
        let first = self.ready.front().and_then(|id| self.clients.get_mut(id));
        if let Some(datagram) = first.and_then(|member| member.client.poll_datagram()) {
            return Output::Transmit(datagram);
        }
        let next = self.deadlines.first().map(|(at, _)| *at);
        Output::Timeout(next.unwrap_or(self.now + IDLE_TIMEOUT))
    }

    fn set_ready(&mut self, id: ClientId) {
        if let Some(member) = self.clients.get_mut(&id)
            && !member.is_ready
        {
            member.is_ready = true;
            self.ready.push_back(id);
        }
    }
}
