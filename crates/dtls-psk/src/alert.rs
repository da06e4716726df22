//! Alerts (RFC 5246 section 7.2, RFC 6347 section 4.1.2.7).

use core::fmt;

/// The level of an alert (RFC 5246 section 7.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertLevel {
    /// 1: the connection may continue.
    Warning,
    /// 2: the connection ends.
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

/// The description of an alert: the IANA number (RFC 5246 section 7.2, RFC 4279 section 2).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AlertDescription(pub u8);

impl AlertDescription {
    /// The sender closes the connection.
    pub const CLOSE_NOTIFY: Self = Self(0);
    /// A message arrived out of order.
    pub const UNEXPECTED_MESSAGE: Self = Self(10);
    /// A record failed authentication.
    pub const BAD_RECORD_MAC: Self = Self(20);
    /// No common suite or group.
    pub const HANDSHAKE_FAILURE: Self = Self(40);
    /// A field is out of range or inconsistent with another.
    pub const ILLEGAL_PARAMETER: Self = Self(47);
    /// The lengths in a message are inconsistent.
    pub const DECODE_ERROR: Self = Self(50);
    /// A Finished failed verification.
    pub const DECRYPT_ERROR: Self = Self(51);
    /// No common version.
    pub const PROTOCOL_VERSION: Self = Self(70);
    /// The offered suites are too weak.
    pub const INSUFFICIENT_SECURITY: Self = Self(71);
    /// The sender had an internal error.
    pub const INTERNAL_ERROR: Self = Self(80);
    /// The sender cancelled the handshake.
    pub const USER_CANCELED: Self = Self(90);
    /// The sender refuses renegotiation.
    pub const NO_RENEGOTIATION: Self = Self(100);
    /// The server answered an extension that was not offered.
    pub const UNSUPPORTED_EXTENSION: Self = Self(110);
    /// The server does not know the identity (RFC 4279). This crate never sends it.
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

/// The content of an alert record, 2 bytes.
///
/// | offset | size | field |
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
    fn alerts_round_trip_and_malformed_alerts_are_rejected() {
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
