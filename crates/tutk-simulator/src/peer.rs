//! One client of the camera: its link, and what it is told and when.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::av::{AvCamera, Context};
use crate::ear::{Call, Ear};
use crate::event::{ClientId, LeaveReason, SimulatorEvent, SliceSent};
use tutk_session::Dialect;
use tutk_session::Phase;
use tutk_session::internal::Channel;
use tutk_session::internal::Outbox;
use tutk_session::internal::Wrapper;
use tutk_session::internal::later;

/// How long a client that has had its last frame may take to go by itself: the last slices may
/// still be under way.
const LINGER: Duration = Duration::from_secs(1);

/// One client's session on the camera's side.
#[derive(Debug)]
pub(crate) struct Peer {
    id: ClientId,
    wrapper: Wrapper,
    main: Channel,
    av: AvCamera,
    call: Arc<Call>,
    /// Sound from the client.
    ear: Option<Ear>,
    /// The phase that was last told to the owner.
    told: Phase,
    /// When anything authentic last came from the client.
    heard: Instant,
    finished_at: Option<Instant>,
    deadline: Instant,
}

impl Peer {
    pub(crate) fn new(
        id: ClientId,
        wrapper: Wrapper,
        main: Channel,
        av: AvCamera,
        call: Arc<Call>,
        now: Instant,
    ) -> Self {
        Self {
            id,
            wrapper,
            main,
            av,
            call,
            ear: None,
            told: Phase::Session,
            heard: now,
            finished_at: None,
            deadline: now,
        }
    }

    pub(crate) fn id(&self) -> ClientId {
        self.id
    }

    pub(crate) fn dialect(&self) -> &'static Dialect {
        self.wrapper.dialect
    }

    /// When to call [`Self::drive`] again.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    pub(crate) fn phase(&self) -> Phase {
        self.av.phase()
    }

    /// Whether its handshake is under way: more than a session request, which anybody can send in
    /// any name.
    pub(crate) fn has_begun(&self) -> bool {
        self.main.dtls.has_started()
    }

    /// When the client was last heard of.
    pub(crate) fn heard(&self) -> Instant {
        self.heard
    }

    /// Packets that were dropped: of DTLS and of what is inside.
    pub(crate) fn dropped(&self) -> u64 {
        let ear = self.ear.as_ref().map_or(0, Ear::dropped);
        self.av.unknown() + self.main.dropped() + ear
    }

    /// Takes the DTLS records of one datagram. `Err` when the client is gone.
    pub(crate) fn handle_records(
        &mut self,
        now: Instant,
        records: &mut [u8],
        context: &mut Context<'_>,
    ) -> Result<(), LeaveReason> {
        let Self {
            main, av, heard, ..
        } = self;
        main.open(now, records, |packet| {
            *heard = now;
            av.handle_packet(now, packet, context);
        })
        .map_err(LeaveReason::Dtls)
    }

    /// Takes the records of one datagram of the channel that the camera has opened.
    pub(crate) fn handle_sound(
        &mut self,
        now: Instant,
        records: &mut [u8],
        outbox: &mut Outbox<SimulatorEvent>,
    ) {
        let Some(ear) = &mut self.ear else { return };
        if let Err(error) = ear.handle_records(now, self.id, records, outbox) {
            tracing::debug!(%error, "the client's audio channel");
            self.stop_listening(outbox);
        }
    }

    /// Does all that can be done now. `Err` when the client is gone.
    pub(crate) fn drive(
        &mut self,
        now: Instant,
        context: &mut Context<'_>,
        outbox: &mut Outbox<SimulatorEvent>,
    ) -> Result<(), LeaveReason> {
        let timed_out = self.main.dtls.handle_timeout(now);
        let dtls_deadline = self.flush(outbox)?;
        timed_out.map_err(LeaveReason::Dtls)?;
        self.av.handle_timeout(now);
        if self.main.dtls.is_connected() {
            self.send_all(now, context, outbox)
                .map_err(LeaveReason::Dtls)?;
        }
        let ear_deadline = self.listen(now, context, outbox);
        self.tell(outbox);
        self.check_end(now, context)?;

        let silence = later(self.heard, context.shared.idle);
        let end = self.finished_at.map(|at| at + LINGER);
        self.deadline = [
            Some(dtls_deadline),
            Some(silence),
            end,
            ear_deadline,
            self.av.deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
        .unwrap_or(silence);
        Ok(())
    }

    /// Calls the client back when it wants to be heard, and hangs up when not. When to come back.
    fn listen(
        &mut self,
        now: Instant,
        context: &mut Context<'_>,
        outbox: &mut Outbox<SimulatorEvent>,
    ) -> Option<Instant> {
        if !self.av.listens() {
            self.stop_listening(outbox);
            return None;
        }
        if self.ear.is_none() {
            match self.call.begin(&mut *context.rng, now) {
                Ok(ear) => self.ear = Some(ear),
                Err(error) => tracing::error!(%error, "no audio channel"),
            }
        }
        let driven = self
            .ear
            .as_mut()?
            .drive(now, self.id, &mut self.wrapper, outbox);
        match driven {
            Ok(deadline) => Some(deadline),
            Err(error) => {
                tracing::debug!(?error, "the client's audio channel is over");
                self.stop_listening(outbox);
                None
            }
        }
    }

    fn stop_listening(&mut self, outbox: &mut Outbox<SimulatorEvent>) {
        self.av.listen_no_more();
        if let Some(mut ear) = self.ear.take() {
            ear.close(self.id, &mut self.wrapper, outbox);
        }
    }

    /// Tells the client that it is over.
    pub(crate) fn close(&mut self, outbox: &mut Outbox<SimulatorEvent>) {
        self.stop_listening(outbox);
        self.main.dtls.close();
        self.main.flush(&mut self.wrapper, outbox, |_, _| {});
    }

    fn flush(&mut self, outbox: &mut Outbox<SimulatorEvent>) -> Result<Instant, LeaveReason> {
        let Self {
            id,
            wrapper,
            main,
            av,
            ..
        } = self;
        let mut closed = false;
        let deadline = main.flush(wrapper, outbox, |outbox, event| match event {
            dtls_psk::Event::Connected(_) => av.start(),
            dtls_psk::Event::KeyLog(line) => {
                outbox.event(SimulatorEvent::KeyLog { client: *id, line });
            }
            dtls_psk::Event::Closed => closed = true,
            _ => {}
        });
        match closed {
            true => Err(LeaveReason::Closed),
            false => Ok(deadline),
        }
    }

    fn send_all(
        &mut self,
        now: Instant,
        context: &Context<'_>,
        outbox: &mut Outbox<SimulatorEvent>,
    ) -> Result<(), dtls_psk::Error> {
        let Self {
            id,
            wrapper,
            main,
            av,
            ..
        } = self;
        while main.send(wrapper, outbox, |out| av.write_control(out))? {}
        if av.take_probe_due() {
            main.send(wrapper, outbox, |out| {
                av.write_probe(now, context.shared, out)
            })?;
            // The summary has no keepalive, nor probes: then none is ever due.
            wrapper.send_keepalive(outbox);
        }
        loop {
            let mut written = None;
            main.send(wrapper, outbox, |out| {
                written = av.write_slice(now, context, out);
                written.is_some()
            })?;
            let Some(written) = written else {
                return Ok(());
            };
            if context.shared.trace_slices {
                outbox.event(SimulatorEvent::SliceSent(SliceSent {
                    client: *id,
                    datagram: outbox.queued() - 1,
                    kind: written.kind,
                    frame: written.frame,
                    frame_bytes: written.frame_bytes,
                    origin: written.origin,
                    index: written.index,
                    slices: written.slices,
                }));
            }
        }
    }

    /// Tells the owner of each phase that the client has completed since.
    fn tell(&mut self, outbox: &mut Outbox<SimulatorEvent>) {
        while self.told < self.av.phase() {
            let Some(next) = self.told.next() else { return };
            self.told = next;
            if next > Phase::Dtls {
                outbox.event(SimulatorEvent::Entered {
                    client: self.id,
                    phase: next,
                });
            }
        }
    }

    fn check_end(&mut self, now: Instant, context: &Context<'_>) -> Result<(), LeaveReason> {
        if self.av.is_refused() {
            return Err(LeaveReason::Refused);
        }
        if later(self.heard, context.shared.idle) <= now {
            return Err(LeaveReason::Silent);
        }
        if !self.av.is_finished() {
            self.finished_at = None;
        } else if *self.finished_at.get_or_insert(now) + LINGER <= now {
            return Err(LeaveReason::Finished);
        }
        Ok(())
    }
}
