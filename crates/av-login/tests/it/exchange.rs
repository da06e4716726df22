//! The login over a network that loses, repeats and reorders packets.

use av_login::{
    ANSWER_LEN, CameraConfig, CameraEvent, CameraLogin, CameraOutput, Capabilities, ClientEvent,
    ClientLogin, ClientOutput, LoginAnswer, LoginLayout, Nonce, Password, Refusal, Status, User,
};
use proptest::prelude::*;

const ENR: &[u8] = b"aKzdqckqZ8HUHFe5";
const NONCE: Nonce = Nonce([0xff, 0xff, 0x33, 0x44]);
const LAYOUTS: [LoginLayout; 3] = [
    LoginLayout::AuthAt550,
    LoginLayout::AuthAt540,
    LoginLayout::AuthAt542,
];

fn client(layout: LoginLayout, password: Password) -> ClientLogin {
    ClientLogin::new(layout, User::admin(), password, true, NONCE)
}

fn camera(password: Password) -> CameraLogin {
    CameraLogin::new(CameraConfig::new(User::admin(), password))
}

fn enr() -> Password {
    Password::new(ENR).unwrap()
}

fn sent(client: &mut ClientLogin) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    while let Some(output) = client.poll_output() {
        match output {
            ClientOutput::Transmit(packet) => packets.push(packet.to_vec()),
            ClientOutput::Event(event) => panic!("{event:?} before an answer"),
        }
    }
    packets
}

fn answers(camera: &mut CameraLogin) -> (Vec<[u8; ANSWER_LEN]>, Vec<CameraEvent>) {
    let (mut packets, mut events) = (Vec::new(), Vec::new());
    while let Some(output) = camera.poll_output() {
        match output {
            CameraOutput::Transmit(packet) => packets.push(packet),
            CameraOutput::Event(event) => events.push(event),
        }
    }
    (packets, events)
}

fn outcome(client: &mut ClientLogin) -> Option<ClientEvent> {
    client.poll_output().map(|output| match output {
        ClientOutput::Event(event) => event,
        ClientOutput::Transmit(_) => panic!("a packet after the answer"),
    })
}

#[test]
fn all_layouts_log_in() {
    for layout in LAYOUTS {
        let (mut client, mut camera) = (client(layout, enr()), camera(enr()));
        client.send();
        let packets = sent(&mut client);
        assert_eq!(packets.len(), 2);
        camera.handle_packet(&packets[0]);
        assert_eq!(answers(&mut camera), (vec![], vec![]), "{layout:?}");
        camera.handle_packet(&packets[1]);
        let (answer, events) = answers(&mut camera);
        assert_eq!(
            events,
            [CameraEvent::LoggedIn {
                layout,
                version: layout.version(),
                resend: true,
                capabilities: Capabilities::WYZE_SDK
            }]
        );
        assert_eq!(answer.len(), 1);
        client.handle_packet(&answer[0]);
        let Some(ClientEvent::LoggedIn(result)) = outcome(&mut client) else {
            panic!("{layout:?} refused");
        };
        assert!(result.two_way_audio && result.resend_requested);
        assert_eq!(result.version, layout.version());
        assert_eq!(result.capabilities, Capabilities::WYZE_SDK);
        assert!(client.is_finished());

        client.send();
        assert_eq!(
            client.poll_output(),
            None,
            "nothing is repeated after the answer"
        );
    }
}

#[test]
fn refusal_does_not_reveal_the_wrong_credential() {
    let wrong_user = User::new(b"root").unwrap();
    let cases = [
        (User::admin(), Password::fixed(), Refusal::Password),
        (wrong_user, enr(), Refusal::User),
    ];
    let mut refusals = Vec::new();
    for (user, password, refusal) in cases {
        let mut client = ClientLogin::new(LoginLayout::AuthAt540, user, password, false, NONCE);
        let mut camera = camera(enr());
        client.send();
        for packet in sent(&mut client) {
            camera.handle_packet(&packet);
        }
        let (answer, events) = answers(&mut camera);
        assert_eq!(events, [CameraEvent::Refused(refusal)]);
        client.handle_packet(&answer[0]);
        assert_eq!(
            outcome(&mut client),
            Some(ClientEvent::Refused(Status::REFUSED))
        );
        refusals.push(answer);
    }
    assert_eq!(refusals[0], refusals[1]);
}

#[test]
fn logs_in_after_a_refusal() {
    let mut camera = camera(enr());
    for (password, nonce, accepted) in [
        (Password::fixed(), Nonce([1, 2, 3, 4]), false),
        (enr(), Nonce([9, 9, 9, 9]), true),
    ] {
        let mut client = ClientLogin::new(
            LoginLayout::AuthAt540,
            User::admin(),
            password,
            false,
            nonce,
        );
        client.send();
        for packet in sent(&mut client) {
            camera.handle_packet(&packet);
        }
        let (answer, _) = answers(&mut camera);
        client.handle_packet(&answer[0]);
        let logged_in = matches!(outcome(&mut client), Some(ClientEvent::LoggedIn(_)));
        assert_eq!(logged_in, accepted);
    }
}

#[test]
fn drops_and_counts_other_packets() {
    let (mut client, mut camera) = (client(LoginLayout::AuthAt540, enr()), camera(enr()));
    client.send();
    for packet in sent(&mut client) {
        camera.handle_packet(&packet);
    }
    let answer = answers(&mut camera).0[0];

    client.handle_packet(b"\x00\x21");
    client.handle_packet(&[0x70; 60]);
    assert_eq!(client.poll_output(), None);
    assert!(!client.is_finished());
    assert_eq!(client.stats().malformed, 2);

    // The random bytes of packet 2 are accepted too.
    let mut second = LoginAnswer::parse(&answer).unwrap();
    second.nonce = NONCE.first_byte_plus_one();
    client.handle_packet(&second.to_bytes());
    assert!(matches!(
        outcome(&mut client),
        Some(ClientEvent::LoggedIn(_))
    ));

    assert_eq!(client.stats().other_nonce, 0);

    client.handle_packet(&answer);
    assert_eq!(client.poll_output(), None);
    assert_eq!(client.stats().duplicates, 1);
}

#[test]
fn an_answer_with_other_random_bytes_is_accepted_and_counted() {
    let (mut client, mut camera) = (client(LoginLayout::AuthAt540, enr()), camera(enr()));
    client.send();
    for packet in sent(&mut client) {
        camera.handle_packet(&packet);
    }
    let mut answer = answers(&mut camera).0[0];
    answer[20..24].fill(0);
    client.handle_packet(&answer);
    assert!(matches!(
        outcome(&mut client),
        Some(ClientEvent::LoggedIn(_))
    ));
    assert_eq!(client.stats().other_nonce, 1);
}

#[test]
fn ignores_an_answer_before_the_first_packet() {
    let mut other = client(LoginLayout::AuthAt540, enr());
    let mut camera = camera(enr());
    other.send();
    for packet in sent(&mut other) {
        camera.handle_packet(&packet);
    }
    let answer = answers(&mut camera).0[0];

    let mut idle = client(LoginLayout::AuthAt540, enr());
    idle.handle_packet(&answer);
    assert_eq!(idle.poll_output(), None);
    assert!(!idle.is_finished());
}

#[test]
fn packets_of_two_logins_are_not_a_pair() {
    let mut camera = camera(enr());
    let mut one = client(LoginLayout::AuthAt540, enr());
    let mut two = ClientLogin::new(
        LoginLayout::AuthAt540,
        User::admin(),
        enr(),
        true,
        Nonce([7, 7, 7, 7]),
    );
    one.send();
    two.send();
    let (one, two) = (sent(&mut one), sent(&mut two));
    camera.handle_packet(&one[0]);
    camera.handle_packet(&two[1]);
    assert_eq!(answers(&mut camera), (vec![], vec![]));
    assert_eq!(camera.stats().unpaired, 1);
    // The newest packet waits for its other half.
    camera.handle_packet(&two[0]);
    assert_eq!(answers(&mut camera).1.len(), 1);
}

proptest! {
    /// After one round without loss, both sides have decided once, with the same outcome.
    #[test]
    fn decides_once_despite_loss_and_reordering(
        layout in prop_oneof![
            Just(LoginLayout::AuthAt550), Just(LoginLayout::AuthAt540), Just(LoginLayout::AuthAt542)
        ],
        nonce: [u8; 4],
        right: bool,
        // Each round: how often each packet arrives, if they are swapped, if answers arrive.
        rounds in proptest::collection::vec(
            ((0..3_usize, 0..3_usize), any::<bool>(), any::<bool>()), 0..6,
        ),
    ) {
        let password = if right { enr() } else { Password::fixed() };
        let mut client =
            ClientLogin::new(layout, User::admin(), password, false, Nonce(nonce));
        let mut camera = camera(enr());
        let (mut decided, mut outcomes) = (Vec::new(), Vec::new());
        let good_round = ((1, 1), false, true);
        for ((first, second), swap, answered) in rounds.into_iter().chain([good_round]) {
            client.send();
            let mut packets = Vec::new();
            while let Some(output) = client.poll_output() {
                match output {
                    ClientOutput::Transmit(packet) => packets.push(packet.to_vec()),
                    ClientOutput::Event(event) => outcomes.push(event),
                }
            }
            let mut arriving: Vec<&Vec<u8>> = packets
                .iter()
                .zip([first, second])
                .flat_map(|(packet, times)| std::iter::repeat_n(packet, times))
                .collect();
            if swap {
                arriving.reverse();
            }
            for packet in arriving {
                camera.handle_packet(packet);
                let (answers, events) = answers(&mut camera);
                prop_assert!(answers.len() <= 1);
                decided.extend(events);
                for answer in answers.iter().filter(|_| answered) {
                    client.handle_packet(answer);
                }
            }
        }
        while let Some(output) = client.poll_output() {
            if let ClientOutput::Event(event) = output {
                outcomes.push(event);
            }
        }
        prop_assert_eq!(decided.len(), 1);
        prop_assert_eq!(outcomes.len(), 1);
        let camera_accepted = matches!(decided[0], CameraEvent::LoggedIn { .. });
        let client_accepted = matches!(outcomes[0], ClientEvent::LoggedIn(_));
        prop_assert_eq!((camera_accepted, client_accepted), (right, right));
    }
}
