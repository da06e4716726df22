//! DTLS records and handshake messages with arbitrary fields.

use std::collections::BTreeSet;

use arbitrary::Arbitrary;
use dtls_psk::passive::{Handshake, RecordHeader, Side};
use dtls_psk::{CipherSuite, Group};

/// A record with a valid length.
#[derive(Debug, Arbitrary)]
pub struct Record<'a> {
    content: Content<'a>,
    old_version: bool,
    epoch: Epoch,
    sequence: u16,
    /// A bit that is flipped in the record.
    damage: Option<(u16, u8)>,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Epoch {
    Zero,
    One,
    Other(u16),
}

#[derive(Debug, Arbitrary)]
enum Content<'a> {
    Messages(Vec<Message<'a>>),
    ChangeCipherSpec(u8),
    Alert { level: u8, description: u8 },
    Data(&'a [u8]),
    Other(u8, &'a [u8]),
}

#[derive(Debug, Arbitrary)]
struct Message<'a> {
    body: Body<'a>,
    sequence: u8,
    /// The number of fragments less one.
    cuts: u8,
    /// Added to the offset of the last fragment.
    shift: Option<u8>,
}

#[derive(Debug, Arbitrary)]
enum Body<'a> {
    ClientHello(ClientHello<'a>),
    VerifyRequest(&'a [u8]),
    ServerHello {
        random: [u8; 32],
        session_id: &'a [u8],
        suite: Suite,
        compression: u8,
        extensions: Vec<Extension<'a>>,
    },
    ServerKeyExchange {
        hint: &'a [u8],
        share: Option<(u8, Curve, &'a [u8])>,
    },
    ServerHelloDone,
    ClientKeyExchange {
        identity: &'a [u8],
        public: Option<&'a [u8]>,
    },
    Finished(&'a [u8]),
    HelloRequest,
    Other(u8, &'a [u8]),
}

#[derive(Debug, Arbitrary)]
struct ClientHello<'a> {
    random: [u8; 32],
    session_id: &'a [u8],
    cookie: Cookie<'a>,
    suites: Vec<Suite>,
    extensions: Vec<Extension<'a>>,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Cookie<'a> {
    /// The newest cookie of the server.
    Seen,
    Other(&'a [u8]),
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Suite {
    Known(u8),
    Other(u16),
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Curve {
    X25519,
    Secp256r1,
    Other(u16),
}

#[derive(Debug, Arbitrary)]
enum Extension<'a> {
    Groups(Curve, Vec<Curve>),
    PointFormats(&'a [u8]),
    EncryptThenMac,
    ExtendedMasterSecret,
    Renegotiation(&'a [u8]),
    Other(u16, &'a [u8]),
}

impl Record<'_> {
    /// Appends the record. `cookie` is the newest one of the server.
    pub fn write(&self, cookie: &[u8], out: &mut Vec<u8>) {
        let (content_type, content) = match &self.content {
            Content::ChangeCipherSpec(byte) => (20, vec![*byte]),
            Content::Alert { level, description } => (21, vec![*level, *description]),
            Content::Messages(messages) => {
                let mut content = Vec::new();
                for message in messages.iter().take(8) {
                    message.write(cookie, &mut content);
                }
                (22, content)
            }
            Content::Data(bytes) => (23, bytes.to_vec()),
            Content::Other(content_type, bytes) => (*content_type, bytes.to_vec()),
        };
        let start = out.len();
        let epoch = match self.epoch {
            Epoch::Zero => 0,
            Epoch::One => 1,
            Epoch::Other(epoch) => epoch,
        };
        let length = u16::try_from(content.len()).expect("a short record");
        let version: u16 = if self.old_version { 0xfeff } else { 0xfefd };
        out.push(content_type);
        out.extend(version.to_be_bytes());
        out.extend(epoch.to_be_bytes());
        out.extend([0, 0, 0, 0]);
        out.extend(self.sequence.to_be_bytes());
        out.extend(length.to_be_bytes());
        out.extend(&content);
        let header = RecordHeader {
            content_type,
            version,
            epoch,
            sequence: self.sequence.into(),
        };
        let split = RecordHeader::split(&out[start..]);
        assert_eq!(split, Some((header, &content[..], &[][..])));
        if let Some((at, bit)) = self.damage {
            let at = start + usize::from(at) % (out.len() - start);
            out[at] ^= 1 << (bit % 8);
        }
    }
}

impl Message<'_> {
    fn write(&self, cookie: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        let (handshake_type, body) = self.body.encode(cookie);
        let length = u32::try_from(body.len()).expect("a short message");
        let parts = 1 + usize::from(self.cuts % 4);
        let size = body.len().div_ceil(parts).max(1);
        let mut offset = 0_u32;
        let mut chunks: Vec<_> = body.chunks(size).collect();
        if chunks.is_empty() {
            chunks.push(&[]);
        }
        let last = chunks.len() - 1;
        for (index, chunk) in chunks.into_iter().enumerate() {
            let shift = self.shift.filter(|_| index == last).unwrap_or(0);
            out.push(handshake_type);
            out.extend(&length.to_be_bytes()[1..]);
            out.extend([0, self.sequence]);
            out.extend(&(offset + u32::from(shift)).to_be_bytes()[1..]);
            let len = u32::try_from(chunk.len()).expect("a short message");
            out.extend(&len.to_be_bytes()[1..]);
            out.extend(chunk);
            offset += len;
        }
        if let (Body::ClientHello(hello), None | Some(0)) = (&self.body, self.shift) {
            hello.check(&out[start..]);
        }
    }
}

impl Body<'_> {
    /// Returns the type and the bytes.
    fn encode(&self, cookie: &[u8]) -> (u8, Vec<u8>) {
        let mut out = Vec::new();
        let handshake_type = match self {
            Self::HelloRequest => 0,
            Self::ClientHello(hello) => {
                hello.write(cookie, &mut out);
                1
            }
            Self::ServerHello {
                random,
                session_id,
                suite,
                compression,
                extensions,
            } => {
                out.extend([0xfe, 0xfd]);
                out.extend(random);
                vec8(short(session_id, 32), &mut out);
                out.extend(suite.id().to_be_bytes());
                out.push(*compression);
                write_extensions(extensions, &mut out);
                2
            }
            Self::VerifyRequest(cookie) => {
                out.extend([0xfe, 0xff]);
                vec8(short(cookie, 255), &mut out);
                3
            }
            Self::ServerKeyExchange { hint, share } => {
                vec16(short(hint, 400), &mut out);
                if let Some((curve_type, curve, public)) = share {
                    out.push(*curve_type);
                    out.extend(curve.id().to_be_bytes());
                    vec8(short(public, 255), &mut out);
                }
                12
            }
            Self::ServerHelloDone => 14,
            Self::ClientKeyExchange { identity, public } => {
                vec16(short(identity, 400), &mut out);
                if let Some(public) = public {
                    vec8(short(public, 255), &mut out);
                }
                16
            }
            Self::Finished(data) => {
                out.extend(short(data, 64));
                20
            }
            Self::Other(handshake_type, bytes) => {
                out.extend(short(bytes, 400));
                *handshake_type
            }
        };
        (handshake_type, out)
    }
}

impl ClientHello<'_> {
    fn write(&self, seen: &[u8], out: &mut Vec<u8>) {
        out.extend([0xfe, 0xfd]);
        out.extend(&self.random);
        vec8(short(self.session_id, 32), out);
        let cookie = match self.cookie {
            Cookie::Seen => seen,
            Cookie::Other(cookie) => cookie,
        };
        vec8(short(cookie, 255), out);
        let suites = self.suites().flat_map(u16::to_be_bytes);
        vec16(&suites.collect::<Vec<_>>(), out);
        vec8(&[0], out);
        write_extensions(&self.extensions, out);
    }

    fn suites(&self) -> impl Iterator<Item = u16> {
        // A hello without suites is malformed.
        let default = self.suites.is_empty().then_some(Suite::Known(0));
        let suites = self.suites.iter().copied().take(64).chain(default);
        suites.map(Suite::id)
    }

    /// Checks that the passive decoder reads the hello from its fragments.
    fn check(&self, fragments: &[u8]) {
        let mut handshake = Handshake::default();
        let mut complete = 0;
        handshake.handle_record(Side::Client, fragments, |handshake_type, _| {
            assert_eq!(handshake_type, 1);
            complete += 1;
        });
        assert_eq!(complete, 1);
        assert_eq!(handshake.client_random(), Some(&self.random));
        let has_master_secret = (self.extensions.iter().take(MAX_EXTENSIONS))
            .any(|extension| matches!(extension, Extension::ExtendedMasterSecret));
        let read = handshake.offers_extended_master_secret();
        assert_eq!(read, Some(has_master_secret));
        for suite in CipherSuite::ALL {
            let offered = self.suites().any(|id| id == suite.id());
            assert_eq!(handshake.offers_any_suite(&[*suite]), Some(offered));
        }
    }
}

/// The number of extensions that are written.
const MAX_EXTENSIONS: usize = 16;

/// Writes each kind of extension once.
fn write_extensions(extensions: &[Extension<'_>], out: &mut Vec<u8>) {
    let mut list = Vec::new();
    let mut written = BTreeSet::new();
    for extension in extensions.iter().take(MAX_EXTENSIONS) {
        let (number, content) = extension.encode();
        if written.insert(number) {
            list.extend(number.to_be_bytes());
            vec16(&content, &mut list);
        }
    }
    vec16(&list, out);
}

impl Extension<'_> {
    fn encode(&self) -> (u16, Vec<u8>) {
        let mut out = Vec::new();
        let number = match self {
            Self::Groups(first, others) => {
                let curves = [first].into_iter().chain(others.iter().take(16));
                let curves = curves.flat_map(|curve| curve.id().to_be_bytes());
                vec16(&curves.collect::<Vec<_>>(), &mut out);
                10
            }
            Self::PointFormats(formats) => {
                vec8(short(formats, 255), &mut out);
                11
            }
            Self::EncryptThenMac => 22,
            Self::ExtendedMasterSecret => 23,
            Self::Renegotiation(bytes) => {
                vec8(short(bytes, 255), &mut out);
                0xff01
            }
            Self::Other(number, bytes) => {
                out.extend(short(bytes, 400));
                // None of those above.
                number & 0x7fff | 0x4000
            }
        };
        (number, out)
    }
}

impl Suite {
    fn id(self) -> u16 {
        match self {
            Self::Known(index) => {
                CipherSuite::ALL[usize::from(index) % CipherSuite::ALL.len()].id()
            }
            Self::Other(id) => id,
        }
    }
}

impl Curve {
    fn id(self) -> u16 {
        match self {
            Self::X25519 => Group::X25519.id(),
            Self::Secp256r1 => Group::Secp256r1.id(),
            Self::Other(id) => id,
        }
    }
}

fn short(bytes: &[u8], max: usize) -> &[u8] {
    &bytes[..bytes.len().min(max)]
}

fn vec8(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(bytes.len() as u8);
    out.extend(bytes);
}

fn vec16(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend((bytes.len() as u16).to_be_bytes());
    out.extend(bytes);
}
