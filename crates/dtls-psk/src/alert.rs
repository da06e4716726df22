//! Alerts (RFC 5246 section 7.2, RFC 6347 section 4.1.2.7).

use std::fmt;

/// How grave an alert is (RFC 5246 section 7.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertLevel {
    /// 1: the connection may go on.
    Warning,
    /// 2: the connection is over.
    Fatal,
}

impl AlertLevel {
    pub(crate) fn from_wire(value: u8) -> Option<Self> {
        match value {
            1 => Some(AlertLevel::Warning),
            2 => Some(AlertLevel::Fatal),
            _ => None,
        }
    }

    pub(crate) fn to_wire(self) -> u8 {
        match self {
            AlertLevel::Warning => 1,
            AlertLevel::Fatal => 2,
        }
    }
}

impl fmt::Display for AlertLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AlertLevel::Warning => "warning",
            AlertLevel::Fatal => "fatal",
        })
    }
}

/// What an alert says: the number from the IANA registry (RFC 5246 section 7.2, RFC 4279 section 2).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AlertDescription(pub u8);

impl AlertDescription {
    /// The sender will send no more.
    pub const CLOSE_NOTIFY: Self = Self(0);
    /// A message that may not come at this point.
    pub const UNEXPECTED_MESSAGE: Self = Self(10);
    /// A record that does not authenticate.
    pub const BAD_RECORD_MAC: Self = Self(20);
    /// No common suite, group or the like.
    pub const HANDSHAKE_FAILURE: Self = Self(40);
    /// A field out of range, or that does not agree with another.
    pub const ILLEGAL_PARAMETER: Self = Self(47);
    /// A message whose lengths do not add up.
    pub const DECODE_ERROR: Self = Self(50);
    /// A Finished that does not verify.
    pub const DECRYPT_ERROR: Self = Self(51);
    /// No common version.
    pub const PROTOCOL_VERSION: Self = Self(70);
    /// The suites that are offered are not good enough.
    pub const INSUFFICIENT_SECURITY: Self = Self(71);
    /// Something broke on this side.
    pub const INTERNAL_ERROR: Self = Self(80);
    /// The handshake is given up for a reason outside the protocol.
    pub const USER_CANCELED: Self = Self(90);
    /// A second handshake is refused.
    pub const NO_RENEGOTIATION: Self = Self(100);
    /// The server answered an extension that nobody offered.
    pub const UNSUPPORTED_EXTENSION: Self = Self(110);
    /// The server knows no such identity (RFC 4279; this crate never sends it).
    pub const UNKNOWN_PSK_IDENTITY: Self = Self(115);

    fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            0 => "close_notify",
            10 => "unexpected_message",
            20 => "bad_record_mac",
            21 => "decryption_failed",
            22 => "record_overflow",
            30 => "decompression_failure",
            40 => "handshake_failure",
            47 => "illegal_parameter",
            49 => "access_denied",
            50 => "decode_error",
            51 => "decrypt_error",
            70 => "protocol_version",
            71 => "insufficient_security",
            80 => "internal_error",
            86 => "inappropriate_fallback",
            90 => "user_canceled",
            100 => "no_renegotiation",
            110 => "unsupported_extension",
            115 => "unknown_psk_identity",
            _ => return None,
        })
    }
}

impl fmt::Display for AlertDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "alert {}", self.0),
        }
    }
}

impl fmt::Debug for AlertDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}({})", self.0)
    }
}

/// An alert record's content, 2 bytes.
///
/// | at | size | what |
/// |---|---|---|
/// | 0 | 1 | level |
/// | 1 | 1 | description |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Alert {
    pub(crate) level: AlertLevel,
    pub(crate) description: AlertDescription,
}

impl Alert {
    pub(crate) const CLOSE_NOTIFY: Self = Self {
        level: AlertLevel::Warning,
        description: AlertDescription::CLOSE_NOTIFY,
    };
    pub(crate) const NO_RENEGOTIATION: Self = Self {
        level: AlertLevel::Warning,
        description: AlertDescription::NO_RENEGOTIATION,
    };

    pub(crate) fn fatal(description: AlertDescription) -> Self {
        Self {
            level: AlertLevel::Fatal,
            description,
        }
    }

    pub(crate) fn parse(content: &[u8]) -> Option<Self> {
        let &[level, description] = content else {
            return None;
        };
        Some(Self {
            level: AlertLevel::from_wire(level)?,
            description: AlertDescription(description),
        })
    }

    pub(crate) fn to_wire(self) -> [u8; 2] {
        [self.level.to_wire(), self.description.0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alert_survives_the_wire_and_others_do_not_parse() {
        for description in 0..=255 {
            for level in [AlertLevel::Warning, AlertLevel::Fatal] {
                let alert = Alert {
                    level,
                    description: AlertDescription(description),
                };
                assert_eq!(Alert::parse(&alert.to_wire()), Some(alert));
            }
        }
        assert_eq!(Alert::parse(&[0, 0]), None);
        assert_eq!(Alert::parse(&[3, 0]), None);
        assert_eq!(Alert::parse(&[1]), None);
        assert_eq!(Alert::parse(&[1, 0, 0]), None);
    }
}
