/// The packet identifiers of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pid {
    Association,
    Map,
    Video,
    Audio,
}

impl Pid {
    pub(super) const fn number(self) -> u16 {
        match self {
            Self::Association => 0,
            Self::Map => 0x1000,
            Self::Video => 0x100,
            Self::Audio => 0x101,
        }
    }
}
