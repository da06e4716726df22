//! What the fuzzer makes up.

use arbitrary::Arbitrary;

#[derive(Debug, Arbitrary)]
pub struct Input<'a> {
    /// Dialect, tap, cookie exchange, cc51, sound.
    pub settings: u8,
    /// Datagrams that reach the target before the adversary begins.
    pub before: u8,
    pub steps: Vec<Step<'a>>,
}

#[derive(Debug, Arbitrary)]
pub enum Step<'a> {
    /// Datagrams arrive, as many as this; if there are none, time passes until there are.
    Pass(u8),
    Lose,
    Twice,
    /// It goes behind all others.
    Late,
    Flip(u16, u8),
    Cut(u16),
    /// One that came already, from anywhere.
    Again(u8, From),
    /// Anything, from anywhere, as it is.
    Raw(From, &'a [u8]),
    /// The same, obfuscated as the dialect has it.
    Hidden(From, &'a [u8]),
    /// The same behind an IOTC header that is right.
    Iotc(From, u16, &'a [u8]),
    /// DTLS records in the session's own wrapper.
    Records(From, &'a [u8]),
    /// With a tap: what happens to the next AV packets.
    Ignore,
    Change(u16, u8),
    Shorten(u16),
    /// With a tap: an AV packet.
    Packet(&'a [u8]),
    /// With a tap: an HL message.
    Hl(u16, u16, &'a [u8]),
    Wait(u16),
    /// The client's owner wants this.
    Command(u16, &'a [u8]),
    Close,
    /// DTLS records on the camera's own channel.
    Back(From, &'a [u8]),
    /// The client's owner wants to be heard, or not any more; and says so many bytes.
    Talk(bool),
    Say(u16),
}

/// Where an invented datagram comes from.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub enum From {
    Peer,
    PeersOtherPort,
    Stranger,
}
