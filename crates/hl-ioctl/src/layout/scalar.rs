//! Single values on the wire.

use core::num::{NonZeroU8, NonZeroU16};

use serde_json::Value;

use crate::schema::Kind;

/// A value that is one integer on the wire.
pub trait Scalar: Copy {
    /// The size on the wire in bytes, little-endian.
    const SIZE: usize;
    /// `true` if the integer is signed.
    const SIGNED: bool = false;
    /// `true` if the value can be omitted. It is 0 on the wire then.
    const OPTIONAL: bool = false;
    /// The allowed values.
    const KIND: Kind;
    /// The allowed values as text for errors, with their numbers on the wire.
    const ALLOWED: &'static str;

    /// Returns the number on the wire.
    fn number(self) -> i64;

    /// Returns the value with this number, or `None` if there is no such value.
    fn from_number(number: i64) -> Option<Self>;

    /// Returns the value as JSON, or `None` if it is omitted.
    fn to_json(self) -> Option<Value> {
        Some(Self::KIND.json(self.number()))
    }
}

/// A value that can be omitted.
impl<T: Scalar> Scalar for Option<T> {
    const SIZE: usize = T::SIZE;
    const SIGNED: bool = T::SIGNED;
    const OPTIONAL: bool = true;
    const KIND: Kind = T::KIND;
    const ALLOWED: &'static str = T::ALLOWED;

    fn number(self) -> i64 {
        self.map_or(0, T::number)
    }

    fn from_number(number: i64) -> Option<Self> {
        match number {
            0 => Some(None),
            _ => T::from_number(number).map(Some),
        }
    }

    fn to_json(self) -> Option<Value> {
        self.and_then(T::to_json)
    }
}

macro_rules! integers {
    ($($type:ty: $min:literal to $max:literal;)*) => {$(
        impl Scalar for $type {
            const SIZE: usize = size_of::<$type>();
            const KIND: Kind = Kind::Number { min: $min, max: $max, unit: "" };
            const ALLOWED: &'static str = concat!($min, " to ", $max);

            fn number(self) -> i64 {
                i64::from(self)
            }

            fn from_number(number: i64) -> Option<Self> {
                number.try_into().ok()
            }
        }
    )*};
}

integers! {
    u8: 0 to 255;
    u16: 0 to 65535;
    u32: 0 to 4294967295;
}

/// Frame rates.
macro_rules! frame_rates {
    ($($type:ty: $int:ty, $max:literal;)*) => {$(
        impl Scalar for $type {
            const SIZE: usize = size_of::<$int>();
            const KIND: Kind = Kind::Number { min: 1, max: $max, unit: "frames/s" };
            const ALLOWED: &'static str = concat!("1 to ", $max, " frames/s");

            fn number(self) -> i64 {
                self.get().into()
            }

            fn from_number(number: i64) -> Option<Self> {
                <$int>::try_from(number).ok().and_then(Self::new)
            }
        }
    )*};
}

frame_rates! {
    NonZeroU8: u8, 255;
    NonZeroU16: u16, 65535;
}
