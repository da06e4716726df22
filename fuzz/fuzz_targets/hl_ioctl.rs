//! HL messages, commands, XXTEA, and both sides of the challenge exchange with arbitrary messages.
//!
//! Input: a byte of settings, then messages, each preceded by its length in two bytes.
#![no_main]

use hl_ioctl::commands::{
    ConnectAuth, ConnectRequest, MediaControl, ReadParameters, SetResolution, SetVideoParameters,
    UserId,
};
use hl_ioctl::{
    AckRule, CameraConfig, CameraEvent, CameraExchange, CameraOutput, ChallengeRule,
    ChallengeStatus, ClientConfig, ClientExchange, ClientOutput, Command, Enr, HlMessage, Ioctl,
    Request, UserRule, xxtea,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&settings, mut rest)) = data.split_first() else {
        return;
    };
    let rule = if settings & 1 == 0 {
        ChallengeRule::Encrypt
    } else {
        ChallengeRule::Decrypt
    };
    let enr = || Enr::new("0123456789abcdef0123456789abcdef").expect("32 characters");
    let mut client = ClientConfig::new(enr(), *b"UID0");
    client.rule = rule;
    client.request_payload = Vec::new();
    client.user = (settings & 0x20 != 0).then(|| UserId::new("user").expect("4 bytes"));
    let mut client = ClientExchange::new(client).expect("a short payload");
    let mut camera = CameraConfig::new(enr(), [0x5a; 16]);
    camera.rule = rule;
    camera.status = ChallengeStatus::from_byte(settings >> 1 & 7);
    if settings & 0x10 != 0 {
        camera.acknowledgement = AckRule::Second;
    }
    camera.user_rule = UserRule::ALL;
    let mut camera = CameraExchange::new(camera).expect("a long ENR");

    while let Some((length, behind)) = rest.split_at_checked(2) {
        let length = usize::from(u16::from_le_bytes([length[0], length[1]]));
        let (message, behind) = behind.split_at(length.min(behind.len()));
        rest = behind;
        one(message, &mut client, &mut camera);
    }
    ciphers(data);
});

fn one(bytes: &[u8], client: &mut ClientExchange, camera: &mut CameraExchange) {
    let Ok(message) = HlMessage::parse(bytes) else {
        return;
    };
    let written = message.to_vec().expect("parsed messages can be written");
    assert_eq!(HlMessage::parse(&written), Ok(message));

    command::<ConnectRequest>(&message);
    command::<ConnectAuth>(&message);
    command::<MediaControl>(&message);
    command::<ReadParameters>(&message);
    command::<SetVideoParameters>(&message);
    command::<SetResolution>(&message);

    let was_over = client.is_over();
    client.handle_message(&message);
    while let Some(output) = client.poll_output() {
        match output {
            ClientOutput::Transmit { index, message } => {
                let auth = HlMessage::parse(message).expect("an HL message");
                assert!(index == 0 || ConnectAuth::decode(auth.payload).is_ok());
            }
            ClientOutput::Event(Ok(result)) => {
                assert!(result.is_success() && client.is_over() && !was_over);
            }
            ClientOutput::Event(Err(error)) => {
                assert!(client.is_over() && !was_over && !error.to_string().is_empty());
            }
        }
    }
    client.send();
    camera.handle_acknowledgement(message.version);
    let was_accepted = camera.is_accepted();
    camera.handle_message(&message, Ioctl { index: 1, flag: 1 });
    while let Some(output) = camera.poll_output() {
        match output {
            CameraOutput::Transmit(reply) => assert!(HlMessage::parse(&reply).is_ok()),
            CameraOutput::Event(CameraEvent::Accepted(_)) => {
                assert!(!was_accepted && camera.is_accepted());
            }
            CameraOutput::Event(_) => {}
        }
    }
}

/// A parsed command parses to the same command after it is written.
fn command<C: Command>(message: &HlMessage<'_>) {
    if let Ok(command) = C::decode(message.payload) {
        let first = Request::from(&command);
        let again = C::decode(&first.payload).expect("written commands parse");
        assert_eq!(first, Request::from(&again));
    }
    let _ = C::from_message(message);
    if let Ok(answer) = C::decode_answer(message.payload) {
        let first = C::answer_to_hl(&answer);
        if let Ok(first) = first {
            let payload = HlMessage::parse(&first).expect("an HL message").payload;
            let again = C::decode_answer(payload).expect("written commands parse");
            assert_eq!(Ok(first), C::answer_to_hl(&again));
        }
    }
    let _ = C::answer_from_message(message);
}

fn ciphers(data: &[u8]) {
    let Some((key, text)) = data.split_first_chunk::<16>() else {
        return;
    };
    let mut bytes = text.to_vec();
    if xxtea::encrypt(&mut bytes, key).is_ok() {
        xxtea::decrypt(&mut bytes, key).expect("the same length");
        assert_eq!(bytes, text);
    }
}
