//! From observations to a verdict.

#[cfg(test)]
mod tests;

use tutk_runtime::tutk_session::Phase;
use tutk_runtime::tutk_session::models::{Model, is_unsupported};

use super::observations::{
    Attempt, AttemptKind, Fault, Host, Observations, QueryKind, Route, UdpReach,
};
use super::stream::StreamReport;
use super::verdict::Verdict;

/// The share of lost packets, in percent, from which the network is the cause. Interrupted pictures
/// are frequent from here on, because one lost packet damages a whole frame.
const HIGH_LOSS: f64 = 2.0;

/// Returns the cause that explains the observations.
pub(crate) fn diagnose(seen: &Observations) -> Verdict {
    if let Some(reason) = seen.unresolved.clone() {
        return Verdict::UnknownHost { reason };
    }
    if let Some(stream) = seen.stream.as_ref().filter(|stream| stream.frames() > 0) {
        return of_stream(seen, stream);
    }
    let attempt = seen.best_attempt();
    if let Some(Attempt {
        fault: Some(Fault::Local),
        error: Some(error),
        ..
    }) = attempt
    {
        let error = error.clone();
        return Verdict::Local { error };
    }
    match attempt.filter(|attempt| attempt.completed(Phase::Discovery)) {
        Some(attempt) => of_session(seen, attempt),
        None => of_silence(seen),
    }
}

/// Frames arrived.
fn of_stream(seen: &Observations, stream: &StreamReport) -> Verdict {
    if stream.loss_percent >= HIGH_LOSS {
        return Verdict::PacketLoss {
            percent: stream.loss_percent,
        };
    }
    let ended_in = |fault| {
        let attempts = seen.attempts.iter();
        attempts.into_iter().any(|a| a.failed(Phase::Stream, fault))
    };
    if stream.key_frames == 0 {
        return Verdict::NoPicture;
    }
    if ended_in(Fault::Closed) {
        let phase = Phase::Stream;
        return Verdict::ClosedByCamera { phase };
    }
    if [Fault::Stalled, Fault::Silent, Fault::Dtls]
        .into_iter()
        .any(ended_in)
    {
        return Verdict::StreamBroke;
    }
    if stream.other_mac {
        return Verdict::OtherMac;
    }
    match seen.handshakes().old_suite_only() {
        true => Verdict::OldSuite,
        false => Verdict::Healthy,
    }
}

/// The camera was found, and no frame arrived.
fn of_session(seen: &Observations, attempt: &Attempt) -> Verdict {
    let cut_short = seen.cut_short;
    let (Some(phase), Some(fault)) = (attempt.failed_in, attempt.fault) else {
        return Verdict::Unknown { cut_short };
    };
    let error = attempt.error.clone().unwrap_or_default();
    match (phase, fault) {
        (_, Fault::OutOfTime) => Verdict::Unknown { cut_short },
        (Phase::Session, _) => Verdict::SlotBusy,
        (Phase::Dtls, Fault::WrongKey) => Verdict::WrongEnr,
        (Phase::Dtls, Fault::Silent | Fault::SuiteRefused | Fault::Dtls) => {
            of_handshake(seen, fault, error)
        }
        (Phase::Login, Fault::Silent | Fault::LoginRefused) => of_login(seen, fault),
        (_, Fault::ResponseRefused) => Verdict::ResponseRefused,
        (_, Fault::Updating) => Verdict::Updating,
        (_, Fault::Checking) => Verdict::Checking,
        (_, Fault::SwitchedOff) => Verdict::SwitchedOff,
        (_, Fault::Closed) => Verdict::ClosedByCamera { phase },
        (Phase::Stream, _) => Verdict::NoPicture,
        (Phase::Authentication, _) => Verdict::ChallengeFailed { error },
        _ => Verdict::HandshakeFailed { error },
    }
}

/// The usual handshake failed.
fn of_handshake(seen: &Observations, fault: Fault, error: String) -> Verdict {
    let handshakes = seen.handshakes();
    if handshakes.stopped_as_with_wrong_key() {
        return Verdict::WrongEnr;
    }
    if handshakes.old_suite_only() {
        return Verdict::OldSuiteOnly;
    }
    if handshakes.completed(super::session::ECDHE_PSK) {
        // The usual session would also have offered this, given more time.
        return Verdict::Unknown {
            cut_short: seen.cut_short,
        };
    }
    match fault {
        Fault::Silent => Verdict::HandshakeIgnored,
        _ => Verdict::HandshakeFailed { error },
    }
}

fn of_login(seen: &Observations, fault: Fault) -> Verdict {
    let accepted = |attempt: &Attempt| {
        attempt.kind == AttemptKind::SdkLogin && attempt.completed(Phase::Login)
    };
    match fault {
        _ if seen.attempts.iter().any(accepted) => Verdict::LoginLayout,
        Fault::LoginRefused => Verdict::LoginRefused,
        _ => Verdict::LoginIgnored,
    }
}

/// The camera did not answer the usual discovery requests.
fn of_silence(seen: &Observations) -> Verdict {
    let Some(address) = seen.address else {
        return Verdict::Unknown {
            cut_short: seen.cut_short,
        };
    };
    if let Some(error) = seen.route.as_ref().and_then(|route| route.error.clone()) {
        return Verdict::NoRoute { error };
    }
    let kinds = [
        QueryKind::Own,
        QueryKind::FixedPort,
        QueryKind::AnyUid,
        QueryKind::NoKey,
    ];
    let mut answers = kinds.into_iter().flat_map(|kind| seen.answers(kind));
    if let Some(answer) = answers.find(|answer| !answer.same_address) {
        return Verdict::Nat {
            asked: address,
            from: answer.from,
        };
    }
    if seen.answered(QueryKind::FixedPort) && !seen.answered(QueryKind::Own) {
        let mut queries = seen.queries.iter();
        let fixed = queries.find(|query| query.kind == QueryKind::FixedPort);
        if let Some(port) = fixed.and_then(|query| query.port) {
            return Verdict::NeedsLocalPort { port };
        }
    }
    if let Some(verdict) = of_wrong_identity(seen) {
        return verdict;
    }
    if let Some(&to) = seen.elsewhere.as_ref().and_then(|found| found.first()) {
        return Verdict::Moved { from: address, to };
    }
    if seen.answered(QueryKind::Own) {
        // It answered the first request, and not those of the session.
        return Verdict::Unknown {
            cut_short: seen.cut_short,
        };
    }
    let Some(reach) = seen.reach else {
        return Verdict::Unknown {
            cut_short: seen.cut_short,
        };
    };
    if reach.host() == Host::Absent {
        return Verdict::NoDevice { address };
    }
    if reach.udp == UdpReach::Refused {
        return Verdict::PortClosed { address };
    }
    if !seen
        .queries
        .iter()
        .any(|query| query.kind == QueryKind::Own)
    {
        return Verdict::Unknown {
            cut_short: seen.cut_short,
        };
    }
    of_model(seen).unwrap_or(Verdict::NoAnswer {
        address,
        present: reach.host() == Host::Present,
    })
}

/// Another identity than the configured one was answered.
fn of_wrong_identity(seen: &Observations) -> Option<Verdict> {
    if seen.answered(QueryKind::Own) {
        return None;
    }
    if seen.answered(QueryKind::NeighbourMac) {
        return Some(Verdict::WrongMac);
    }
    if seen.answered(QueryKind::NoKey) || seen.answered(QueryKind::AnyUid) {
        let mut attempts = seen.attempts.iter();
        let without_key = attempts.find(|attempt| attempt.kind == AttemptKind::NoKey);
        return Some(match without_key {
            Some(attempt) if attempt.completed(Phase::Dtls) => Verdict::WrongMac,
            Some(attempt) if attempt.failed(Phase::Dtls, Fault::WrongKey) => Verdict::WrongEnr,
            _ => Verdict::WrongKeys,
        });
    }
    let other = seen
        .answers(QueryKind::AnyUid)
        .any(|answer| !answer.own_uid);
    other.then_some(Verdict::WrongUid)
}

/// A device has the address, or might have it, and answers nothing.
fn of_model(seen: &Observations) -> Option<Verdict> {
    if let Some(model) = seen.model.clone() {
        let known = Model::find(&model);
        if is_unsupported(&model) {
            return Some(Verdict::OtherProtocol { model });
        }
        if known.is_some_and(|known| known.silent) {
            return Some(Verdict::SilentModel { model });
        }
        if known.is_some_and(|known| known.outdoor) {
            return Some(Verdict::Asleep { model });
        }
    }
    match seen.route {
        Some(Route {
            isolation: Some(isolation),
            same_network: false,
            local,
            ..
        }) => Some(Verdict::Isolated { isolation, local }),
        _ => None,
    }
}

/// The attempts with one DTLS suite each.
struct Handshakes<'a>(Vec<(&'a Attempt, &'static str)>);

impl Observations {
    fn handshakes(&self) -> Handshakes<'_> {
        let handshake = |attempt: &Attempt| match attempt.kind {
            AttemptKind::Handshake { suite, .. } => Some(suite),
            _ => None,
        };
        let attempts = self.attempts.iter();
        Handshakes(
            attempts
                .filter_map(|attempt| Some((attempt, handshake(attempt)?)))
                .collect(),
        )
    }
}

impl Handshakes<'_> {
    fn completed(&self, suite: &str) -> bool {
        self.0
            .iter()
            .any(|(attempt, with)| *with == suite && attempt.completed(Phase::Dtls))
    }

    /// Returns `true` if the old suite is accepted, and the current one was tried without success.
    fn old_suite_only(&self) -> bool {
        let failed = |(attempt, suite): &(&Attempt, &str)| {
            *suite == super::session::ECDHE_PSK && attempt.failed_in == Some(Phase::Dtls)
        };
        self.completed(super::session::PLAIN_PSK)
            && !self.completed(super::session::ECDHE_PSK)
            && self.0.iter().any(failed)
    }

    fn stopped_as_with_wrong_key(&self) -> bool {
        self.0
            .iter()
            .any(|(attempt, _)| attempt.failed(Phase::Dtls, Fault::WrongKey))
    }
}
