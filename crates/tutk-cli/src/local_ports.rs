//! Values of `--local-port` and `local_ports`.

use std::ops::RangeInclusive;
use std::str::FromStr;

/// The local UDP ports of a camera's socket: `40000` or `40000-40019`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LocalPorts(pub(crate) RangeInclusive<u16>);

impl FromStr for LocalPorts {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (first.trim().parse(), last.trim().parse()) {
            (Ok(first), Ok(last)) if first != 0 && first <= last => Ok(Self(first..=last)),
            _ => {
                Err("expected a port or a range from 1 to 65535, for example 40000 or 40000-40019")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_a_port_or_a_range() {
        let ports = |text: &str| text.parse().map(|LocalPorts(ports)| ports);
        assert_eq!(ports("40000"), Ok(40_000..=40_000));
        assert_eq!(ports("40000-40019"), Ok(40_000..=40_019));
        assert_eq!(ports("1 - 65535"), Ok(1..=65_535));
        for bad in ["", "0", "0-9", "9-8", "65536", "-1", "1-2-3", "x"] {
            assert!(ports(bad).is_err(), "{bad}");
        }
    }
}
