//! The steps with a session: login, stream, and other handshakes and logins.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tutk_runtime::tutk_session::{ClientConfig, Dialect, MediaRequest, Phase};

use super::Examination;
use crate::camera;
use crate::dialect_choice::DialectChoice;
use crate::doctor::attempt::{Goal, Progress, Running};
use crate::doctor::observations::{Attempt, AttemptKind, Fault, QueryKind};
use crate::doctor::session::{OFFERS, SDK_PASSWORD_AT, with_sdk_login};
use crate::doctor::step::Mark;

/// The pause after the camera opened no session. Cameras are known to need some seconds to free the
/// session of a client that vanished.
const SLOT_PAUSE: Duration = Duration::from_millis(5500);

/// The seconds of 30 for each variant of the handshake.
const HANDSHAKE: f64 = 2.0;

impl Examination {
    /// Returns the dialect in which the camera answered. Those of real cameras come first.
    fn dialect(&self, kind: QueryKind) -> Option<Arc<Dialect>> {
        let answered = |dialect: &Dialect| {
            self.seen
                .answers(kind)
                .any(|answer| answer.same_address && answer.dialect == dialect.name)
        };
        Dialect::ALL.into_iter().find(answered).map(Arc::new)
    }

    pub(super) fn config(&self, address: SocketAddr, kind: QueryKind) -> ClientConfig {
        let dialect = self.dialect(kind);
        let mut config = camera::client(
            self.camera.clone(),
            address,
            &self.network,
            &dialect.map_or(DialectChoice::Auto, DialectChoice::One),
            MediaRequest {
                video: false,
                audio: false,
            },
        );
        let limit = |usual: f64| self.schedule.limit(usual);
        config.deadlines.discovery = limit(2.0);
        config.deadlines.session = limit(3.0);
        config.deadlines.dtls = limit(6.0);
        config.deadlines.login = limit(3.0);
        config.deadlines.authentication = limit(4.0);
        config.deadlines.stream = limit(6.0);
        config
    }

    pub(super) async fn open_sessions(&mut self, address: SocketAddr) {
        let kind = match self.seen.answered(QueryKind::Own) {
            true => QueryKind::Own,
            false => QueryKind::FixedPort,
        };
        let config = self.config(address, kind);
        let mut streaming = config.clone();
        streaming.media = MediaRequest {
            video: true,
            audio: true,
        };
        let goal = Goal::Stream(self.schedule.limit(10.0));
        self.attempt(AttemptKind::Usual, goal, streaming.clone())
            .await;
        let refused = |attempt: &Attempt| attempt.failed_in == Some(Phase::Session);
        if self.seen.attempts.last().is_some_and(refused) {
            let pause = SLOT_PAUSE.min(self.schedule.left() / 2);
            let text = "waiting until the camera frees a session";
            self.step(Mark::Noted, "pause", text, pause);
            tokio::time::sleep(pause).await;
            let goal = Goal::Stream(self.schedule.limit(10.0));
            self.attempt(AttemptKind::AfterPause, goal, streaming).await;
        }
        self.try_variants(&config).await;
    }

    /// Tries other handshakes and logins, as far as the session left them in question and the time
    /// allows it.
    async fn try_variants(&mut self, config: &ClientConfig) {
        let Some(best) = self.seen.best_attempt().cloned() else {
            return;
        };
        // A wrong key fails in every variant.
        let handshake_failed =
            best.failed_in == Some(Phase::Dtls) && best.fault != Some(Fault::WrongKey);
        if handshake_failed || best.completed(Phase::Dtls) {
            for (suite, offer) in OFFERS {
                if !self.schedule.has(HANDSHAKE) {
                    return;
                }
                let kind = AttemptKind::Handshake {
                    suite,
                    extended_master_secret: offer.extended_master_secret,
                };
                let mut config = config.clone();
                config.handshake_offer = Some(offer);
                config.deadlines.dtls = self.schedule.limit(HANDSHAKE);
                self.attempt(kind, Goal::Phase(Phase::Dtls), config).await;
            }
        }
        if best.failed_in == Some(Phase::Login) || best.completed(Phase::Login) {
            let mut config = config.clone();
            config.dialects = config.dialects.into_iter().map(with_sdk_login).collect();
            self.attempt(AttemptKind::SdkLogin, Goal::Phase(Phase::Login), config)
                .await;
        }
    }

    /// Runs one attempt to its end.
    pub(super) async fn attempt(&mut self, kind: AttemptKind, goal: Goal, config: ClientConfig) {
        let limit = match goal {
            Goal::Phase(_) => self.schedule.limit(8.0),
            Goal::Stream(_) => self.schedule.left(),
        };
        let mac = self.camera.credentials.mac;
        let recorder = self.recorder.clone();
        match Running::start(kind, goal, config, mac, recorder, limit) {
            Ok(running) => self.running = Some(running),
            Err(error) => {
                let mut attempt = Attempt::new(kind);
                (attempt.failed_in, attempt.fault) = (Some(Phase::Discovery), Some(Fault::Local));
                attempt.error = Some(error.to_string());
                self.seen.attempts.push(attempt);
                return;
            }
        }
        let usual = matches!(kind, AttemptKind::Usual | AttemptKind::AfterPause);
        while let Some(running) = &mut self.running {
            match running.next().await {
                Progress::Phase(phase, took) if usual => {
                    if let Some(text) = completed(phase) {
                        self.step(Mark::Passed, phase.name(), text, took);
                    }
                }
                Progress::KeyFrame(after) if usual => {
                    self.step(Mark::Passed, "key frame", "the first one arrived", after);
                }
                Progress::Model(model) => _ = self.seen.model.get_or_insert(model),
                Progress::Ended => break,
                _ => {}
            }
        }
        self.finish_attempt().await;
    }

    /// Closes the session, and keeps what was seen.
    pub(super) async fn finish_attempt(&mut self) {
        let Some(running) = self.running.take() else {
            return;
        };
        let took = running.phase_began.elapsed();
        let (attempt, stream) = running.close().await;
        self.show_attempt(&attempt, took);
        if let Some(stream) = stream {
            let audio = stream.audio.as_deref().map(|codec| format!(" and {codec}"));
            let text = format!(
                "{}{}, {} frames/s, {} kbit/s, {} % lost, {} % reordered, jitter {} ms",
                stream.codec.as_deref().unwrap_or("no video"),
                audio.unwrap_or_default(),
                stream.frames_per_second,
                stream.kbit_per_second,
                stream.loss_percent,
                stream.reordered_percent,
                stream.jitter_ms,
            );
            let length = Duration::from_secs_f64(stream.seconds);
            self.step(Mark::of(attempt.fault.is_none()), "stream", text, length);
            for (name, counts) in [
                ("tolerated", &stream.tolerated),
                ("counters", &stream.counters),
            ] {
                let counts: Vec<_> = counts
                    .iter()
                    .map(|(of, count)| format!("{of} {count}"))
                    .collect();
                if !counts.is_empty() {
                    self.step(Mark::Noted, name, counts.join(", "), length);
                }
            }
            self.seen.stream = Some(stream);
        }
        self.seen.attempts.push(attempt);
    }

    /// Shows how an attempt ended, unless its phases and its stream show it.
    fn show_attempt(&mut self, attempt: &Attempt, took: Duration) {
        let result = match &attempt.error {
            Some(error) => error.clone(),
            None => "accepted".to_owned(),
        };
        let (name, text) = match attempt.kind {
            AttemptKind::Usual | AttemptKind::AfterPause => {
                let Some(phase) = attempt.failed_in else {
                    return;
                };
                self.step(Mark::Failed, phase.name(), result, took);
                return;
            }
            AttemptKind::NoKey => (Phase::Dtls.name(), format!("without AuthKey: {result}")),
            AttemptKind::Handshake {
                suite,
                extended_master_secret,
            } => {
                let with = if extended_master_secret {
                    "with"
                } else {
                    "without"
                };
                let text = format!("suite {suite} {with} extended master secret: {result}");
                (Phase::Dtls.name(), text)
            }
            AttemptKind::SdkLogin => {
                let text = format!("password at byte {SDK_PASSWORD_AT}: {result}");
                (Phase::Login.name(), text)
            }
        };
        self.step(Mark::Noted, name, text, took);
    }
}

/// Describes a completed phase. Discovery and the stream have steps of their own.
fn completed(phase: Phase) -> Option<&'static str> {
    match phase {
        Phase::Session => Some("the camera opened a session"),
        Phase::Dtls => Some("the camera has the same key"),
        Phase::Login => Some("the camera accepted the login"),
        Phase::Authentication => Some("the camera accepted the answer to its challenge"),
        Phase::Discovery | Phase::Stream => None,
    }
}
