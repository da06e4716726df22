//! The system's neighbour table, which anyone may read on Linux.

use std::net::Ipv4Addr;

use tutk_runtime::tutk_session::Mac;

/// The table (proc(5)): address, hardware type, flags, hardware address, mask, device.
const TABLE: &str = "/proc/self/net/arp";

/// The flag of an entry with a known hardware address (`ATF_COM` of Linux).
const COMPLETE: u32 = 2;

/// What the table says about an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    /// A device has this MAC address.
    Known(Mac),
    /// The system asked, and no device answered.
    Missing,
}

/// Returns the entry of an address; `None` if there is none or the system has no such table.
pub(super) fn find(address: Ipv4Addr) -> Option<Entry> {
    parse(&std::fs::read_to_string(TABLE).ok()?, address)
}

fn parse(table: &str, address: Ipv4Addr) -> Option<Entry> {
    table.lines().skip(1).find_map(|line| {
        let mut columns = line.split_ascii_whitespace();
        if columns.next()?.parse() != Ok(address) {
            return None;
        }
        let flags = u32::from_str_radix(columns.nth(1)?.trim_start_matches("0x"), 16).ok()?;
        match flags & COMPLETE {
            0 => Some(Entry::Missing),
            _ => columns.next()?.parse().ok().map(Entry::Known),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
IP address       HW type     Flags       HW address            Mask     Device
192.0.2.7        0x1         0x2         02:00:5e:00:53:01     *        eth0
192.0.2.9        0x1         0x0         00:00:00:00:00:00     *        eth0
192.0.2.11       0x1         0x6         02:00:5e:00:53:02     *        eth0
";

    #[test]
    fn finds_known_and_missing_neighbours() {
        let find = |last| parse(TABLE, Ipv4Addr::new(192, 0, 2, last));
        let known = |mac: &str| Some(Entry::Known(mac.parse().unwrap()));
        assert_eq!(find(7), known("02005E005301"));
        assert_eq!(find(11), known("02005E005302"));
        assert_eq!(find(9), Some(Entry::Missing));
        assert_eq!(find(8), None);
        assert_eq!(parse("", Ipv4Addr::LOCALHOST), None);
        assert_eq!(parse("x\n127.0.0.1 0x1", Ipv4Addr::LOCALHOST), None);
    }
}
