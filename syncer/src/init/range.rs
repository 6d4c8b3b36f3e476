//! A range of addresses, as `10.96.0.0/12`.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    base: IpAddr,
    bits: u8,
}

impl Range {
    /// Whether `address` is in it.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let same = |a: u128, b: u128, width: u32| {
            let shift = width - u32::from(self.bits);
            a.checked_shr(shift).unwrap_or(0) == b.checked_shr(shift).unwrap_or(0)
        };
        match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                same(base.to_bits().into(), address.to_bits().into(), 32)
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => same(base.to_bits(), address.to_bits(), 128),
            _ => false,
        }
    }
}

/// The text is not a range.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotARange;

impl FromStr for Range {
    type Err = NotARange;

    fn from_str(text: &str) -> Result<Self, NotARange> {
        let (base, bits) = text.split_once('/').ok_or(NotARange)?;
        let (base, bits): (IpAddr, u8) =
            (base.parse().map_err(|_| NotARange)?, bits.parse().map_err(|_| NotARange)?);
        let width = if base.is_ipv4() { 32 } else { 128 };
        if bits <= width { Ok(Range { base, bits }) } else { Err(NotARange) }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn membership_follows_the_prefix() {
        for (range, inside, outside) in [
            ("10.96.0.0/12", "10.111.255.255", "10.112.0.0"),
            ("10.96.0.0/16", "10.96.0.1", "10.97.0.1"),
            ("0.0.0.0/0", "203.0.113.1", "::1"),
            ("192.0.2.1/32", "192.0.2.1", "192.0.2.2"),
            ("fd00:10:96::/112", "fd00:10:96::ffff", "fd00:10:96::1:0"),
            ("::/0", "2001:db8::1", "10.0.0.1"),
        ] {
            let range: Range = range.parse().unwrap();
            assert!(range.contains(inside.parse().unwrap()), "{range} {inside}");
            assert!(!range.contains(outside.parse().unwrap()), "{range} {outside}");
        }
    }

    #[test]
    fn what_is_not_a_range_is_refused() {
        for text in ["10.96.0.0", "10.96.0.0/33", "x/8", "::/129", "10.0.0.0/-1", ""] {
            assert_eq!(text.parse::<Range>(), Err(NotARange), "{text}");
        }
    }
}
