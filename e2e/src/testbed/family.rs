//! Which families of addresses the host cluster has.

use std::fmt::Display;

use serde::{Deserialize, Serialize};

/// The families that pods, nodes and Services have addresses of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Families {
    /// IPv4 only.
    #[default]
    Ipv4,
    /// IPv6 only.
    Ipv6,
    /// IPv4 first, and IPv6.
    Dual,
}

impl Families {
    /// Whether there is IPv4.
    pub fn has_ipv4(self) -> bool {
        self != Families::Ipv6
    }

    /// Whether there is IPv6.
    pub fn has_ipv6(self) -> bool {
        self != Families::Ipv4
    }

    /// What there is, the first family first.
    pub fn each<T>(self, ipv4: impl Into<T>, ipv6: impl Into<T>) -> Vec<T> {
        let ipv4 = self.has_ipv4().then(|| ipv4.into());
        let ipv6 = self.has_ipv6().then(|| ipv6.into());
        ipv4.into_iter().chain(ipv6).collect()
    }

    /// That of the first family.
    pub fn first<T>(self, ipv4: impl Into<T>, ipv6: impl Into<T>) -> T {
        if self.has_ipv4() { ipv4.into() } else { ipv6.into() }
    }
}

/// As flags want several: joined by commas.
pub fn joined(items: &[impl Display]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_family_comes_first() {
        for (families, each, first) in
            [(Families::Ipv4, "4", "4"), (Families::Ipv6, "6", "6"), (Families::Dual, "4,6", "4")]
        {
            assert_eq!(joined(&families.each::<&str>("4", "6")), each);
            assert_eq!(families.first::<&str>("4", "6"), first);
        }
    }
}
