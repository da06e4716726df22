//! The input of the fuzzer.

use arbitrary::Arbitrary;

#[derive(Debug, Arbitrary)]
pub struct Input<'a> {
    /// Bits for the dialect, the man in the middle, the cookie exchange, cc51 and audio.
    pub settings: u8,
    /// The number of datagrams that the target receives before the first step.
    pub before: u8,
    pub steps: Vec<Step<'a>>,
}

#[derive(Debug, Arbitrary)]
pub enum Step<'a> {
    /// Delivers up to 16 datagrams. Without a datagram in flight, time passes.
    Pass(u8),
    Lose,
    Duplicate,
    /// Moves the next datagram behind all others.
    Delay,
    Flip(u16, u8),
    Truncate(u16),
    /// Delivers an earlier datagram again.
    Replay(u8, From),
    /// Delivers arbitrary bytes.
    Raw(From, &'a [u8]),
    /// Delivers arbitrary bytes with the scrambling of the dialect.
    Scrambled(From, &'a [u8]),
    /// Delivers arbitrary bytes after a valid IOTC header.
    Iotc(From, u16, &'a [u8]),
    /// Delivers DTLS records in the wrapper of the session.
    Records(From, &'a [u8]),
    /// The man in the middle forwards the next AV packet unchanged.
    Forward,
    /// The man in the middle flips bits of the next AV packet.
    FlipPacket(u16, u8),
    TruncatePacket(u16),
    /// The man in the middle forges an AV packet.
    Packet(&'a [u8]),
    /// The man in the middle forges an HL message.
    Hl(u16, u16, &'a [u8]),
    Wait(u16),
    /// The application of the client sends a command.
    Command(u16, &'a [u8]),
    Close,
    /// Delivers DTLS records on the channel of the backchannel.
    TalkRecords(From, &'a [u8]),
    /// The application of the client starts or stops talking.
    Talk(bool),
    /// The application of the client sends an audio frame of this length.
    SendTalk(u16),
}

/// The source of a datagram.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub enum From {
    Peer,
    PeerOtherPort,
    Stranger,
}
