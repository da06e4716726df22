//! Fake values of the same length and the same classes of characters.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sha2::{Digest as _, Sha256};
use tutk_session::Mac;
use zeroize::Zeroizing;

use super::forms::{Form, forms};
use crate::keys::from_hex;

/// The shortest secret that is searched for in all bytes. A shorter one is replaced only in fields
/// that are known to contain it, because it would be found everywhere by chance.
const MIN_SEARCHED: usize = 4;

/// The shortest value that is searched for in encrypted bytes.
const MIN_ANYWHERE: usize = 8;

/// The largest number of values that were found in the capture itself and are searched for in all
/// further bytes.
const MAX_LEARNED: usize = 1024;

/// The mapping from real values to fake ones. The same value always has the same fake.
pub(super) struct Fakes {
    seed: Zeroizing<[u8; 32]>,
    /// The byte strings to search for, the longest ones first.
    forms: Vec<Form>,
    known: BTreeMap<Vec<u8>, Vec<u8>>,
    learned: usize,
}

impl Fakes {
    /// `seed` must be random and secret: with it, the fakes of guessed values can be computed.
    pub(super) fn new(seed: [u8; 32]) -> Self {
        Self {
            seed: Zeroizing::new(seed),
            forms: Vec::new(),
            known: BTreeMap::new(),
            learned: 0,
        }
    }

    /// Adds a text and its fake, which must have the same length.
    pub(super) fn add(&mut self, real: &[u8], fake: &[u8]) {
        if real.len() != fake.len() || self.known.contains_key(real) {
            return;
        }
        self.known.insert(real.to_vec(), fake.to_vec());
        if real.len() >= MIN_SEARCHED {
            self.add_forms(forms(real, fake));
        }
    }

    /// Adds bytes that are not written in other ways.
    pub(super) fn add_exact(&mut self, real: &[u8], fake: &[u8]) {
        self.add_forms(vec![Form::exact(real, fake)]);
    }

    /// Adds a MAC address, with all ways to write it. Returns its fake, 12 hex digits.
    pub(super) fn add_mac(&mut self, mac: &Mac) -> [u8; 12] {
        let real = *mac.as_bytes();
        let fake = self.mac(&real);
        self.add(&real, &fake);
        for separator in [b':', b'-'] {
            self.add(&separated(&real, separator), &separated(&fake, separator));
        }
        if let (Some(mut real), Some(mut fake)) = (raw(&real), raw(&fake)) {
            self.add(&real, &fake);
            real.reverse();
            fake.reverse();
            self.add(&real, &fake);
        }
        fake
    }

    /// Returns a fake MAC address of the range for local use.
    fn mac(&self, real: &[u8; 12]) -> [u8; 12] {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        let random: [u8; 12] = self.bytes(b"mac", real);
        let digit = |byte: u8| DIGITS.get(usize::from(byte % 16)).copied().unwrap_or(b'0');
        let mut fake = random.map(digit);
        let [first, second, ..] = &mut fake;
        (*first, *second) = (b'0', b'2');
        fake
    }

    /// Adds an IP address, as text and in binary.
    pub(super) fn add_address(&mut self, real: IpAddr) {
        let fake = self.address(real);
        if fake == real {
            return;
        }
        let mut forms = Vec::new();
        match (real, fake) {
            (IpAddr::V4(real), IpAddr::V4(fake)) => {
                let (mut real_bytes, mut fake_bytes) = (real.octets(), fake.octets());
                forms.push(Form::exact(&real_bytes, &fake_bytes));
                real_bytes.reverse();
                fake_bytes.reverse();
                forms.push(Form::exact(&real_bytes, &fake_bytes));
            }
            (IpAddr::V6(real), IpAddr::V6(fake)) => {
                forms.push(Form::exact(&real.octets(), &fake.octets()));
            }
            _ => {}
        }
        forms.push(Form::address(&real.to_string(), &fake.to_string()));
        self.add_forms(forms);
    }

    fn add_forms(&mut self, forms: Vec<Form>) {
        for form in forms {
            let same = |known: &Form| known.real() == form.real();
            if !form.is_empty() && !self.forms.iter().any(same) {
                self.forms.push(form);
            }
        }
        // A secret that contains another one is replaced as a whole.
        self.forms
            .sort_by_key(|form| std::cmp::Reverse(form.real().len()));
    }

    /// Returns the fake of a text: digits become digits, and letters become letters of the same
    /// case. Other bytes stay. The text is searched for in all further bytes.
    pub(super) fn of(&mut self, real: &[u8]) -> Vec<u8> {
        if let Some(fake) = self.known.get(real) {
            return fake.clone();
        }
        let fake = self.derive(real);
        if real.len() >= MIN_SEARCHED && self.learned < MAX_LEARNED {
            self.learned += 1;
            self.add(real, &fake);
        }
        fake
    }

    /// As [`of`](Self::of), without learning the text.
    pub(super) fn derive(&self, real: &[u8]) -> Vec<u8> {
        let stream = self.stream(b"text", real, real.len());
        real.iter()
            .zip(stream)
            .map(|(&byte, random)| same_class(byte, random))
            .collect()
    }

    /// Returns `N` bytes that depend on the seed, the purpose and the value.
    pub(super) fn bytes<const N: usize>(&self, purpose: &[u8], value: &[u8]) -> [u8; N] {
        let mut bytes = [0; N];
        for (byte, random) in bytes.iter_mut().zip(self.stream(purpose, value, N)) {
            *byte = random;
        }
        bytes
    }

    fn stream(&self, purpose: &[u8], value: &[u8], len: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(len.next_multiple_of(32));
        for block in 0_u64.. {
            if bytes.len() >= len {
                break;
            }
            let mut hash = Sha256::new();
            hash.update(*self.seed);
            for part in [purpose, value] {
                hash.update((part.len() as u64).to_le_bytes());
                hash.update(part);
            }
            hash.update(block.to_le_bytes());
            bytes.extend_from_slice(&hash.finalize());
        }
        bytes
    }

    /// Returns the fake of an address. Addresses of one /24 network stay in one, private ones stay
    /// private, and the number of digits stays. Broadcast and unspecified addresses stay.
    pub(super) fn address(&self, real: IpAddr) -> IpAddr {
        match real {
            IpAddr::V4(real) => self.ipv4(real).into(),
            IpAddr::V6(real) => match real.to_ipv4_mapped() {
                Some(mapped) => self.ipv4(mapped).to_ipv6_mapped().into(),
                None => self.ipv6(real).into(),
            },
        }
    }

    fn ipv4(&self, real: Ipv4Addr) -> Ipv4Addr {
        if real.is_unspecified() || real.is_broadcast() || real.is_multicast() {
            return real;
        }
        let octets = real.octets();
        let mut fake = octets;
        let is_local = real.is_private() || real.is_loopback() || real.is_link_local();
        let kept = if is_local { 2 } else { 0 };
        for (index, octet) in fake.iter_mut().enumerate().skip(kept) {
            // The same for all addresses that share the octets before.
            let before = octets.get(..index).unwrap_or_default();
            let [random] = self.bytes(b"address", before);
            *octet = other_octet(*octet, random);
        }
        fake.into()
    }

    fn ipv6(&self, real: Ipv6Addr) -> Ipv6Addr {
        if real.is_unspecified() || real.is_multicast() || real.is_loopback() {
            return real;
        }
        let mut octets = real.octets();
        let random: [u8; 16] = self.bytes(b"address", &octets);
        for (octet, random) in octets.iter_mut().zip(random).skip(2) {
            *octet = random;
        }
        octets.into()
    }

    /// Replaces all known values in `bytes`, and marks the replaced bytes in `done`.
    pub(super) fn replace(&self, bytes: &mut [u8], done: &mut [bool]) {
        for form in &self.forms {
            form.replace(bytes, done);
        }
    }

    /// As [`replace`](Self::replace), for bytes of any meaning: short values would be found by
    /// chance.
    pub(super) fn replace_long(&self, bytes: &mut [u8]) {
        let mut done = vec![false; bytes.len()];
        for form in self
            .forms
            .iter()
            .filter(|form| form.real().len() >= MIN_ANYWHERE)
        {
            form.replace(bytes, &mut done);
        }
    }
}

/// Returns another octet with as many digits.
fn other_octet(octet: u8, random: u8) -> u8 {
    let (first, count) = match octet {
        0..=9 => (1, 9),
        10..=99 => (10, 90),
        100..=255 => (100, 155),
    };
    // 0 and 255 are left out, because they are special addresses in most networks.
    let step = 1 + u16::from(random) % (count - 1);
    let place = (u16::from(octet) + count - first) % count;
    u8::try_from((place + step) % count + first).unwrap_or(octet)
}

fn same_class(byte: u8, random: u8) -> u8 {
    let within = |first: u8, count: u8| first + random % count;
    match byte {
        b'0'..=b'9' => within(b'0', 10),
        b'A'..=b'Z' => within(b'A', 26),
        b'a'..=b'z' => within(b'a', 26),
        // Part of a character outside ASCII; a letter keeps the text valid.
        0x80.. => within(b'a', 26),
        other => other,
    }
}

fn separated(digits: &[u8; 12], separator: u8) -> Vec<u8> {
    let pairs: Vec<&[u8]> = digits.chunks(2).collect();
    pairs.join(&separator)
}

/// The six bytes of a MAC address.
fn raw(digits: &[u8; 12]) -> Option<[u8; 6]> {
    from_hex(std::str::from_utf8(digits).ok()?)
}
