//! The fields of login packets and answers.

use core::fmt;

/// The capabilities of one side, a 32-bit number (docs/protocol.md, section 11).
///
/// The meaning of the bits is **not known**: every capture has the same value.
/// [`bits`](Self::bits) lists the bits that are set, to compare cameras with other values.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Capabilities(pub u32);

/// The authentication type, a 32-bit number (docs/protocol.md, section 11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct AuthType(pub u32);

/// The status of an answer, byte 4.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Status(pub u8);

/// The 4 random bytes at 20 of a login packet. The answer echoes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Nonce(pub [u8; 4]);

impl Capabilities {
    /// The value that Wyze's app and cameras send in every capture, `0x001f07fb`.
    pub const WYZE_SDK: Self = Self(0x001f_07fb);

    /// Returns `true` if all bits of `other` are set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Returns the numbers of the bits that are set, 0 to 31, lowest first.
    pub fn bits(self) -> impl Iterator<Item = u32> {
        (0..u32::BITS).filter(move |bit| self.0 >> bit & 1 == 1)
    }
}

impl AuthType {
    /// The only type that captures show, 4.
    pub const SDK: Self = Self(4);
}

impl Status {
    /// The login is accepted, 0x10.
    pub const SUCCESS: Self = Self(0x10);

    /// The login is refused, 0x11.
    ///
    /// The status of real cameras is **not known**; this value is this project's choice. A client
    /// must treat every status other than [`SUCCESS`](Self::SUCCESS) as a refusal.
    pub const REFUSED: Self = Self(0x11);

    /// Returns `true` for [`SUCCESS`](Self::SUCCESS).
    #[must_use]
    pub const fn is_success(self) -> bool {
        self.0 == Self::SUCCESS.0
    }
}

impl Nonce {
    /// Returns the nonce of packet 2 for this nonce of packet 1: the first byte plus 1, wrapping.
    #[must_use]
    pub const fn first_byte_plus_one(self) -> Self {
        let [first, b, c, d] = self.0;
        Self([first.wrapping_add(1), b, c, d])
    }

    /// Returns the nonce of packet 2 in `summary`: the little-endian number plus 1.
    ///
    /// It differs from [`first_byte_plus_one`](Self::first_byte_plus_one) only if the first byte is
    /// 0xff.
    #[must_use]
    pub const fn number_plus_one(self) -> Self {
        Self(u32::from_le_bytes(self.0).wrapping_add(1).to_le_bytes())
    }

    /// Returns `true` if `second` follows from this nonce by either rule.
    #[must_use]
    pub fn is_followed_by(self, second: Self) -> bool {
        second == self.first_byte_plus_one() || second == self.number_plus_one()
    }
}

impl fmt::Debug for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Capabilities({:#010x})", self.0)
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Status({:#04x})", self.0)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#04x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    #[test]
    fn rules_for_packet_2_differ_only_in_the_carry() {
        let plain = Nonce([0x12, 0x34, 0x56, 0x78]);
        assert_eq!(plain.first_byte_plus_one(), plain.number_plus_one());

        let carry = Nonce([0xff, 0x34, 0x56, 0x78]);
        assert_eq!(carry.first_byte_plus_one(), Nonce([0x00, 0x34, 0x56, 0x78]));
        assert_eq!(carry.number_plus_one(), Nonce([0x00, 0x35, 0x56, 0x78]));
        assert!(carry.is_followed_by(carry.first_byte_plus_one()));
        assert!(carry.is_followed_by(carry.number_plus_one()));
        assert!(!carry.is_followed_by(carry));

        assert_eq!(Nonce([0xff; 4]).number_plus_one(), Nonce([0; 4]));
    }

    #[test]
    fn bits_lists_the_set_bits() {
        let bits: Vec<u32> = Capabilities::WYZE_SDK.bits().collect();
        assert_eq!(bits, [0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 16, 17, 18, 19, 20]);
        assert!(Capabilities::WYZE_SDK.contains(Capabilities(0x3)));
        assert!(!Capabilities::WYZE_SDK.contains(Capabilities(0x7)));
    }
}
