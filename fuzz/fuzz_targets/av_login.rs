//! The packets and both state machines of av-login accept any bytes.
//!
//! Input: packets, each after its length in two bytes. A length of 0 makes the client send.
#![no_main]

use av_login::{
    CameraConfig, CameraEvent, CameraLogin, CameraOutput, ClientEvent, ClientLogin, ClientOutput,
    LoginAnswer, LoginLayout, LoginPacket, Nonce, Password, User,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut rest = data;
    let mut client = ClientLogin::new(
        LoginLayout::AuthAt540,
        User::admin(),
        Password::fixed(),
        false,
        Nonce([1, 2, 3, 4]),
    );
    let mut camera = CameraLogin::new(CameraConfig::new(User::admin(), Password::fixed()));
    let mut ends = 0;
    while let Some((length, tail)) = rest.split_at_checked(2) {
        let length = usize::from(u16::from_le_bytes([length[0], length[1]]));
        let (packet, tail) = tail.split_at(length.min(tail.len()));
        rest = tail;
        codec(packet);
        if packet.is_empty() {
            client.send();
        }
        client.handle_packet(packet);
        while let Some(output) = client.poll_output() {
            match output {
                ClientOutput::Transmit(login) => {
                    assert!(LoginPacket::parse(login).is_ok());
                }
                ClientOutput::Event(ClientEvent::LoggedIn(_) | ClientEvent::Refused(_)) => {
                    ends += 1;
                }
            }
        }
        assert!(ends <= 1, "a login ends once");
        camera.handle_packet(packet);
        while let Some(output) = camera.poll_output() {
            match output {
                CameraOutput::Transmit(answer) => assert!(LoginAnswer::parse(&answer).is_ok()),
                CameraOutput::Event(CameraEvent::LoggedIn { .. } | CameraEvent::Refused(_)) => {}
            }
        }
    }
});

fn codec(packet: &[u8]) {
    match LoginPacket::parse(packet) {
        Ok(login) => {
            let again = LoginPacket::parse(&login.to_bytes()).expect("written packets parse");
            assert_eq!(again.to_bytes().as_ref(), login.to_bytes().as_ref());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    match LoginAnswer::parse(packet) {
        Ok(answer) => {
            let again = LoginAnswer::parse(&answer.to_bytes()).expect("written packets parse");
            assert_eq!(again, answer);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
