//! What the client offers in its ClientHello, and what it offers next (docs/protocol.md, section
//! "DTLS").

use alloc::vec::Vec;
use dtls_psk::CipherSuite;

use super::config::ClientConfig;
use crate::handshake_offer::HandshakeOffer;
use crate::models::Model;

const ECDHE_PSK: CipherSuite = CipherSuite::EcdhePskChacha20Poly1305Sha256;
const PLAIN_PSK: CipherSuite = CipherSuite::PskAes128CbcSha256;
const BOTH: &[CipherSuite] = &[ECDHE_PSK, PLAIN_PSK];

/// The offers of a session, and the current one.
#[derive(Debug, Clone)]
pub(super) struct HandshakeOffers {
    table: &'static [HandshakeOffer],
    /// The only offer, if the configuration sets it.
    only: Option<HandshakeOffer>,
    /// The model is known, so that the client may follow a refusal of its suites.
    knows_model: bool,
    current: usize,
    tried: Vec<HandshakeOffer>,
}

/// For all models but those of [`PLAIN_MODEL`]. Plain PSK is never offered alone: otherwise, an
/// attacker who suppresses a ClientHello or forges an alert could remove forward secrecy from the
/// session. If both are offered, the camera chooses, and the Finished messages protect the choice.
const ECDHE_MODEL: &[HandshakeOffer] = &[
    HandshakeOffer::new(&[ECDHE_PSK], true),
    HandshakeOffer::new(&[ECDHE_PSK], false),
    HandshakeOffer::new(BOTH, false),
];

const PLAIN_MODEL: &[HandshakeOffer] = &[
    HandshakeOffer::new(&[PLAIN_PSK], true),
    HandshakeOffer::new(&[PLAIN_PSK], false),
    HandshakeOffer::new(BOTH, false),
];

impl HandshakeOffers {
    pub(super) fn new(config: &ClientConfig) -> Self {
        Self {
            only: config.handshake_offer,
            ..Self::for_model(config.model.as_deref())
        }
    }

    fn for_model(model: Option<&str>) -> Self {
        let plain = model
            .and_then(Model::find)
            .is_some_and(|model| model.plain_psk);
        Self {
            table: if plain { PLAIN_MODEL } else { ECDHE_MODEL },
            knows_model: model.is_some(),
            only: None,
            current: 0,
            tried: Vec::new(),
        }
    }

    /// Returns the offer of the next ClientHello, which counts as tried.
    pub(super) fn start(&mut self) -> HandshakeOffer {
        let offer = self.current();
        if self.tried.last() != Some(&offer) {
            self.tried.push(offer);
        }
        offer
    }

    /// The ClientHello was not answered. Moves to the next offer, if there is one.
    pub(super) fn unanswered(&mut self) {
        self.current = self.table.len().min(self.current + 2) - 1;
    }

    /// The camera supports none of the offered suites. Moves to the next offer of other suites, if
    /// there is one. An alert can be forged, so it needs the model.
    pub(super) fn refused(&mut self) {
        if !self.knows_model {
            return;
        }
        let suites = self.current().suites;
        let mut later = self.table.iter().enumerate().skip(self.current + 1);
        if let Some((at, _)) = later.find(|(_, offer)| offer.suites != suites) {
            self.current = at;
        }
    }

    /// Returns `true` before a second offer is tried.
    pub(super) fn is_first(&self) -> bool {
        self.tried.len() < 2
    }

    /// Returns `true` if there is no other offer to try.
    pub(super) fn is_last(&self) -> bool {
        self.only.is_some() || self.current + 1 >= self.table.len()
    }

    /// Returns what was tried, in order.
    pub(super) fn tried(&self) -> &[HandshakeOffer] {
        &self.tried
    }

    fn current(&self) -> HandshakeOffer {
        let last = HandshakeOffer::new(BOTH, false);
        let of_table = self.table.get(self.current).copied();
        self.only.or(of_table).unwrap_or(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use alloc::string::ToString;
    use alloc::vec;

    fn texts(offers: &HandshakeOffers) -> Vec<String> {
        offers.tried().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn unanswered_hellos_are_repeated_without_extended_master_secret_then_with_both_suites() {
        for model in [Some("HL_CAM4"), None] {
            let mut offers = HandshakeOffers::for_model(model);
            for _ in 0..5 {
                offers.start();
                offers.unanswered();
            }
            let expected = [
                "0xccac with extended master secret",
                "0xccac",
                "0xccac or 0x00ae",
            ];
            assert_eq!(texts(&offers), expected);
            assert!(offers.is_last() && !offers.is_first());
        }
    }

    #[test]
    fn configured_offer_stays_the_first() {
        let mut offers = HandshakeOffers {
            only: Some(HandshakeOffer::new(&[PLAIN_PSK], false)),
            ..HandshakeOffers::for_model(None)
        };
        for _ in 0..3 {
            offers.start();
            offers.unanswered();
        }
        assert_eq!(texts(&offers), ["0x00ae"]);
        assert!(offers.is_first() && offers.is_last());
    }

    #[test]
    fn plain_psk_is_offered_after_a_refusal_only_if_the_model_is_known() {
        let first = "0xccac with extended master secret";
        let plain = "0x00ae with extended master secret";
        for (model, expected) in [
            (None, vec![first]),
            (Some("HL_CAM4"), vec![first, "0xccac or 0x00ae"]),
            (Some("WYZEDB3"), vec![plain, "0xccac or 0x00ae"]),
        ] {
            let mut offers = HandshakeOffers::for_model(model);
            for _ in 0..5 {
                offers.start();
                offers.refused();
            }
            assert_eq!(texts(&offers), expected);
        }
    }
}
