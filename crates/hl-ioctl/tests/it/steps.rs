//! The exchange step by step: one input and all of its output.

use hl_ioctl::{
    CameraEvent, CameraExchange, CameraOutput, ClientExchange, ClientOutput, ConnectResult, Error,
    HlMessage, IgnoreReason, Ioctl,
};

pub(crate) const FIRST: Ioctl = Ioctl { index: 0, flag: 0 };
pub(crate) const SECOND: Ioctl = Ioctl { index: 1, flag: 1 };

pub(crate) fn hl(bytes: &[u8]) -> HlMessage<'_> {
    HlMessage::parse(bytes).unwrap()
}

/// What the camera sends and reports after a message.
pub(crate) type CameraOutputs = (Option<Vec<u8>>, Option<CameraEvent>);

pub(crate) fn ask(
    camera: &mut CameraExchange,
    message: &HlMessage<'_>,
    ioctl: Ioctl,
) -> CameraOutputs {
    camera.handle_message(message, ioctl);
    let mut step = (None, None);
    while let Some(output) = camera.poll_output() {
        match output {
            CameraOutput::Transmit(reply) => assert_eq!(step.0.replace(reply), None),
            CameraOutput::Event(event) => assert_eq!(step.1.replace(event), None),
        }
    }
    step
}

pub(crate) fn ignored(why: IgnoreReason) -> CameraOutputs {
    (None, Some(CameraEvent::Ignored(why)))
}

/// What the client sends, with its index, and how the exchange ended.
pub(crate) type ClientOutputs = (Option<(u16, Vec<u8>)>, Option<Result<ConnectResult, Error>>);

pub(crate) fn tell(client: &mut ClientExchange, message: &HlMessage<'_>) -> ClientOutputs {
    client.handle_message(message);
    drain(client)
}

/// Tells the client what ends the exchange.
pub(crate) fn end(
    client: &mut ClientExchange,
    message: &HlMessage<'_>,
) -> Result<ConnectResult, Error> {
    assert!(!client.is_over());
    let (sent, ended) = tell(client, message);
    assert!(sent.is_none() && client.is_over());
    assert_eq!(send(client), None);
    ended.unwrap()
}

/// What the client sends first, or repeats after a second, with its index.
pub(crate) fn send(client: &mut ClientExchange) -> Option<(u16, Vec<u8>)> {
    client.send();
    let (sent, ended) = drain(client);
    assert_eq!(ended, None);
    sent
}

fn drain(client: &mut ClientExchange) -> ClientOutputs {
    let mut step = (None, None);
    while let Some(output) = client.poll_output() {
        match output {
            ClientOutput::Transmit { index, message } => {
                assert_eq!(step.0.replace((index, message.to_vec())), None);
            }
            ClientOutput::Event(result) => assert_eq!(step.1.replace(result), None),
        }
    }
    step
}

/// K10001.
pub(crate) fn k10001(camera: &mut CameraExchange, client: &mut ClientExchange) -> Vec<u8> {
    let (index, request) = send(client).unwrap();
    assert_eq!((index, hl(&request).code), (0, 10000));
    let (reply, event) = ask(camera, &hl(&request), FIRST);
    assert_eq!(event, None);
    reply.unwrap()
}

/// K10002, or a message with a user.
pub(crate) fn k10002(client: &mut ClientExchange, k10001: &[u8]) -> Vec<u8> {
    let (sent, ended) = tell(client, &hl(k10001));
    assert_eq!(ended, None);
    let (index, auth) = sent.unwrap();
    assert_eq!((index, client.index()), (1, 1));
    auth
}

pub(crate) fn accepted(step: CameraOutputs) -> Vec<u8> {
    assert!(matches!(step.1, Some(CameraEvent::Accepted(_))), "{step:?}");
    step.0.unwrap()
}

pub(crate) fn refused(step: CameraOutputs) -> Vec<u8> {
    assert_eq!(step.1, Some(CameraEvent::Refused));
    step.0.unwrap()
}
