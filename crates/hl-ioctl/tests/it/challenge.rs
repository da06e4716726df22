//! Challenges and responses. The expected bytes come from another implementation of XXTEA, which
//! was checked against tests/vectors.json.

use hl_ioctl::ChallengeRule::{Decrypt, Encrypt};
use hl_ioctl::{ChallengeRule, ChallengeStatus, Enr, Error, challenge_response};

const SHORT: &str = "aKzdqckqZ8HUHFe5";
const LONG: &str = "pbvqMrKPO6vqRBg4E7EyJpJaUvdg87HR";

const CHALLENGE: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

fn respond(rule: ChallengeRule, status: u8, enr: &str) -> Result<u128, Error> {
    let status = ChallengeStatus::from_byte(status);
    challenge_response(rule, status, CHALLENGE, &Enr::new(enr).unwrap()).map(u128::from_be_bytes)
}

#[test]
fn decrypt_selects_the_key_by_status() {
    let fixed = Ok(0xfeeb_d3d3_1438_20e4_08c5_259a_bcd1_fbb7);
    assert_eq!(respond(Decrypt, 1, SHORT), fixed);
    assert_eq!(respond(Decrypt, 1, LONG), fixed);
    assert_eq!(
        respond(Decrypt, 3, SHORT),
        Ok(0x373c_9562_4ec2_96c3_a595_6f0e_2d96_c442)
    );
    assert_eq!(
        respond(Decrypt, 3, LONG),
        Ok(0xe244_73a2_9381_952a_f67f_95f9_8156_728a)
    );
    assert_eq!(
        respond(Decrypt, 6, LONG),
        Ok(0xefb0_6e09_1862_ae20_3406_82f2_cf52_2c3d)
    );
}

/// The challenge of a camera behind a base station has a key of both ENRs.
#[test]
fn enr_is_followed_by_that_of_the_base_station() {
    let key = |first: &str, second: &str| {
        let (first, second) = (Enr::new(first).unwrap(), Enr::new(second).unwrap());
        first.followed_by(&second).reveal().to_vec()
    };
    let both = [SHORT, &LONG[..16]].concat();
    assert_eq!(key(SHORT, LONG), both.as_bytes());
    assert_eq!(key(SHORT, "short"), [SHORT, "short"].concat().as_bytes());
    assert_eq!(key(LONG, SHORT), LONG.as_bytes());
    let key = Enr::new(SHORT)
        .unwrap()
        .followed_by(&Enr::new(LONG).unwrap());
    let response = challenge_response(Decrypt, ChallengeStatus::LongEnr, CHALLENGE, &key);
    assert_eq!(
        response.map(u128::from_be_bytes),
        respond(Decrypt, 6, &both)
    );
}

#[test]
fn encrypt_ignores_the_status() {
    for status in [1, 3, 6] {
        assert_eq!(
            respond(Encrypt, status, SHORT),
            Ok(0x0cd9_60fd_b7c5_2fc2_ba10_0633_e3ef_44da)
        );
        assert_eq!(
            respond(Encrypt, status, LONG),
            Ok(0x83c4_2aa0_f3a9_21d3_92a8_97e7_1619_3f2e)
        );
        // Padded with zeros.
        assert_eq!(
            respond(Encrypt, status, "short"),
            Ok(0x394e_1c71_13e1_a209_0aa1_e09f_cfc4_d300)
        );
    }
}

#[test]
fn short_enr_is_an_error() {
    for (status, enr, expected) in [(6, SHORT, 32), (6, "short", 32), (3, "short", 16)] {
        let error = respond(Decrypt, status, enr).unwrap_err();
        assert_eq!(
            error,
            Error::EnrTooShort {
                status,
                expected,
                got: enr.len()
            }
        );
        assert!(!error.to_string().contains(enr), "{error}");
    }
}

#[test]
fn status_without_response_is_an_error() {
    for rule in [Decrypt, Encrypt] {
        assert_eq!(respond(rule, 2, LONG), Err(Error::CameraUpdating));
        assert_eq!(respond(rule, 4, LONG), Err(Error::CameraChecking));
        assert_eq!(respond(rule, 5, LONG), Err(Error::CameraOff));
        for got in [0, 7, 255] {
            assert_eq!(respond(rule, got, LONG), Err(Error::UnknownStatus { got }));
        }
    }
}

#[test]
fn every_byte_converts_to_a_status_and_back() {
    for byte in 0..=255 {
        let status = ChallengeStatus::from_byte(byte);
        assert_eq!(status.byte(), byte);
        assert_eq!(status.answerable().is_ok(), [1, 3, 6].contains(&byte));
    }
}

#[test]
fn enr_is_validated_and_redacted() {
    assert_eq!(Enr::new("").unwrap_err(), Error::EnrLength { got: 0 });
    assert_eq!(
        Enr::new([b'a'; 33]).unwrap_err(),
        Error::EnrLength { got: 33 }
    );
    assert_eq!(
        Enr::new("aKzd qckqZ8HUHFe").unwrap_err(),
        Error::EnrCharacter { at: 4 }
    );
    assert_eq!(
        Enr::new("aKzdqcké8HUHFe5").unwrap_err(),
        Error::EnrCharacter { at: 7 }
    );
    let enr = Enr::new(LONG).unwrap();
    assert_eq!(enr.size(), 32);
    assert_eq!(format!("{enr:?}"), "Enr(32 characters, redacted)");
}
