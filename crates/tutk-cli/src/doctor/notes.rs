//! Remarks that are not the cause of a failure.

use tutk_runtime::tutk_session::Phase;

use super::observations::{AttemptKind, Fault, Observations, QueryAnswer, QueryKind};

/// Returns remarks on the observations, one sentence each.
pub(crate) fn notes(seen: &Observations) -> Vec<String> {
    let mut notes: Vec<String> = seen.weak_key.clone().into_iter().collect();
    let moves_port = |answer: &&QueryAnswer| {
        answer.same_address
            && seen
                .address
                .is_some_and(|asked| asked.port() != answer.from.port())
    };
    if let Some(answer) = seen.answers(QueryKind::Own).find(moves_port) {
        notes.push(format!(
            "the camera answers from port {}; a firewall must allow all UDP from its address",
            answer.from.port()
        ));
    }
    let refused_at_first = seen.attempts.iter().any(|attempt| {
        attempt.kind == AttemptKind::Usual && attempt.failed_in == Some(Phase::Session)
    });
    if refused_at_first
        && seen
            .best_attempt()
            .is_some_and(|best| best.completed(Phase::Session))
    {
        notes.push(
            "the camera opened no session at first: it frees a session slowly, or another viewer left"
                .to_owned(),
        );
    }
    let handshake = |wanted: bool, failed: bool| {
        seen.attempts.iter().any(|attempt| match attempt.kind {
            AttemptKind::Handshake {
                extended_master_secret,
                ..
            } if extended_master_secret == wanted => {
                if failed {
                    attempt.failed(Phase::Dtls, Fault::Silent)
                } else {
                    attempt.completed(Phase::Dtls)
                }
            }
            _ => false,
        })
    };
    if handshake(true, true) && !handshake(true, false) && handshake(false, false) {
        notes.push(
            "the camera does not answer a handshake that offers extended master secret".to_owned(),
        );
    }
    let drops = seen.stream.as_ref().map_or(0, |stream| stream.kernel_drops);
    if drops > 0 {
        notes.push(format!(
            "this machine dropped {drops} packets because its receive buffer was full; increase net.core.rmem_max"
        ));
    }
    notes
}
