//! The session of one client.

use alloc::sync::Arc;
use core::time::Duration;

use dtls_psk::Stage;
use tutk_session::internal::{Channel, Outbox, Wrapper};
use tutk_session::{Dialect, Phase};
use tutk_time::Instant;

use crate::av::AvCamera;
use crate::backchannel::Backchannel;
use crate::config::DialectSetup;
use crate::context::Context;
use crate::early::is_early_data;
use crate::event::{ClientId, LeaveReason, SimulatorEvent, SliceSent};
use crate::personality::EarlyPackets;

/// The time between the last frame and the end of the session. The last slices may still be in
/// transit, and the client may close the session itself.
const LINGER: Duration = Duration::from_secs(1);

/// The camera's side of a session.
#[derive(Debug)]
pub(crate) struct Peer {
    id: ClientId,
    wrapper: Wrapper,
    main: Channel,
    av: AvCamera,
    setup: Arc<DialectSetup>,
    /// Audio from the client.
    backchannel: Option<Backchannel>,
    /// The phase of the newest event.
    reported: Phase,
    /// When the newest authentic packet arrived.
    last_received: Instant,
    finished_at: Option<Instant>,
    deadline: Instant,
}

impl Peer {
    pub(crate) fn new(
        id: ClientId,
        wrapper: Wrapper,
        main: Channel,
        av: AvCamera,
        setup: Arc<DialectSetup>,
        now: Instant,
    ) -> Self {
        Self {
            id,
            wrapper,
            main,
            av,
            setup,
            backchannel: None,
            reported: Phase::Session,
            last_received: now,
            finished_at: None,
            deadline: now,
        }
    }

    pub(crate) fn id(&self) -> ClientId {
        self.id
    }

    pub(crate) fn dialect(&self) -> &Arc<Dialect> {
        &self.setup.dialect
    }

    /// Returns when to call [`Self::drive`] again.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    pub(crate) fn phase(&self) -> Phase {
        self.av.phase()
    }

    /// Returns `true` if the handshake has started. A session request alone may have a forged
    /// source address.
    pub(crate) fn has_started(&self) -> bool {
        self.main.dtls.has_started()
    }

    /// Returns the progress of the handshake.
    pub(crate) fn dtls_stage(&self) -> Stage {
        self.main.dtls.stage()
    }

    /// Returns when the newest authentic packet arrived.
    pub(crate) fn last_received(&self) -> Instant {
        self.last_received
    }

    /// Returns the number of dropped DTLS records and AV packets.
    pub(crate) fn dropped(&self) -> u64 {
        let backchannel = self.backchannel.as_ref().map_or(0, Backchannel::dropped);
        self.av.unknown() + self.main.dropped() + backchannel
    }

    /// Handles the DTLS records of one datagram. Fails if the session has ended.
    pub(crate) fn handle_records(
        &mut self,
        now: Instant,
        records: &mut [u8],
        context: &mut Context<'_>,
    ) -> Result<(), LeaveReason> {
        let Self {
            main,
            av,
            last_received,
            ..
        } = self;
        match context.shared.config.personality.early_packets {
            EarlyPackets::Dropped if is_early_data(main.dtls.stage(), records) => return Ok(()),
            EarlyPackets::Refused if is_early_data(main.dtls.stage(), records) => {
                return Err(LeaveReason::Early);
            }
            _ => {}
        }
        main.open(now, records, |packet| {
            *last_received = now;
            av.handle_packet(now, packet, context);
        })
        .map_err(LeaveReason::Dtls)
    }

    /// Handles the DTLS records of one datagram of the backchannel.
    pub(crate) fn handle_backchannel(
        &mut self,
        now: Instant,
        records: &mut [u8],
        outbox: &mut Outbox<SimulatorEvent>,
    ) {
        let Some(backchannel) = &mut self.backchannel else {
            return;
        };
        if let Err(error) = backchannel.handle_records(now, self.id, records, outbox) {
            tracing::debug!(%error, "the backchannel failed");
            self.close_backchannel(outbox);
        }
    }

    /// Answers a keepalive of the client.
    pub(crate) fn answer_keepalive(&self, outbox: &mut Outbox<SimulatorEvent>) {
        self.wrapper.answer_client_keepalive(outbox);
    }

    /// Does what is due at `now`. Fails if the session has ended.
    pub(crate) fn drive(
        &mut self,
        now: Instant,
        context: &mut Context<'_>,
        outbox: &mut Outbox<SimulatorEvent>,
    ) -> Result<(), LeaveReason> {
        let timed_out = self.main.dtls.handle_timeout(now);
        let flushed = self.flush(outbox);
        timed_out.map_err(LeaveReason::Dtls)?;
        let dtls_deadline = flushed?;
        self.av.handle_timeout(now);
        if self.main.dtls.is_connected() {
            self.send_all(now, context, outbox)
                .map_err(LeaveReason::Dtls)?;
        }
        let backchannel_deadline = self.drive_backchannel(now, context, outbox);
        self.report_phases(outbox);
        self.check_end(now, context)?;

        let silence = self.last_received + context.shared.config.personality.idle;
        let end = self.finished_at.map(|at| at + LINGER);
        self.deadline = [
            Some(dtls_deadline),
            Some(silence),
            end,
            backchannel_deadline,
            self.av.deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
        .unwrap_or(silence);
        Ok(())
    }

    /// Opens or closes the backchannel as the client requests. Returns the next deadline.
    fn drive_backchannel(
        &mut self,
        now: Instant,
        context: &mut Context<'_>,
        outbox: &mut Outbox<SimulatorEvent>,
    ) -> Option<Instant> {
        if !self.av.wants_backchannel() {
            self.close_backchannel(outbox);
            return None;
        }
        if self.backchannel.is_none() {
            match self.setup.backchannel.open(context.rng, now) {
                Ok(backchannel) => self.backchannel = Some(backchannel),
                Err(error) => tracing::error!(%error, "cannot open a backchannel"),
            }
        }
        let backchannel = self.backchannel.as_mut()?;
        match backchannel.drive(now, self.id, &mut self.wrapper, outbox) {
            Ok(deadline) => Some(deadline),
            Err(error) => {
                tracing::debug!(?error, "the backchannel has ended");
                self.close_backchannel(outbox);
                None
            }
        }
    }

    fn close_backchannel(&mut self, outbox: &mut Outbox<SimulatorEvent>) {
        self.av.backchannel_closed();
        if let Some(mut backchannel) = self.backchannel.take() {
            backchannel.close(self.id, &mut self.wrapper, outbox);
        }
    }

    /// Closes the session.
    pub(crate) fn close(&mut self, outbox: &mut Outbox<SimulatorEvent>) {
        self.close_backchannel(outbox);
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
        let personality = &context.shared.config.personality;
        while main.send(wrapper, outbox, |out| {
            av.write_control(now, personality, out)
        })? {}
        if av.take_probe_due() {
            main.send(wrapper, outbox, |out| {
                av.write_probe(now, context.shared, out)
            })?;
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
            if context.shared.config.trace_slices {
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

    /// Makes an event for each phase that the client has entered.
    fn report_phases(&mut self, outbox: &mut Outbox<SimulatorEvent>) {
        while self.reported < self.av.phase()
            && let Some(next) = self.reported.next()
        {
            self.reported = next;
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
        if self.last_received + context.shared.config.personality.idle <= now {
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
