//! Keeps certificates fresh while the pod runs: what is due, and the task that sees to it.

mod task;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::pem::parse_x509_pem;
use x509_parser::prelude::X509Certificate;

use super::issue::Validity;
use super::names::Names;
use super::spec::Leaf;

pub use task::{Renewal, RenewalSettings};

/// Whether a certificate must be made anew, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// It is good until then.
    NotBefore(SystemTime),
    /// There is none.
    Missing,
    /// It cannot be read.
    Unreadable,
    /// It ends soon, or has ended.
    Expires,
    /// It is for other names, or another user.
    Names,
    /// Its authority is another by now.
    Authority,
}

impl Due {
    /// Itself, if something is to be done.
    #[must_use]
    pub fn reason(self) -> Option<Due> {
        (!matches!(self, Due::NotBefore(_))).then_some(self)
    }
}

/// Decides about one certificate. `names` are those that it should be good for, exactly.
#[must_use]
pub fn due(
    certificate: Option<&str>,
    leaf: &Leaf,
    names: &Names,
    authority: &str,
    now: SystemTime,
) -> Due {
    let Some(pem) = certificate else { return Due::Missing };
    let Ok((_, pem)) = parse_x509_pem(pem.as_bytes()) else { return Due::Unreadable };
    let Ok(certificate) = pem.parse_x509() else { return Due::Unreadable };
    let Ok((_, authority)) = parse_x509_pem(authority.as_bytes()) else { return Due::Authority };
    let Ok(authority) = authority.parse_x509() else { return Due::Authority };
    if certificate.verify_signature(Some(authority.public_key())).is_err() {
        return Due::Authority;
    }
    if subject(&certificate) != (leaf.common_name, leaf.organization)
        || names_of(&certificate).as_ref() != Some(names)
    {
        return Due::Names;
    }
    match not_after(&certificate).and_then(|end| end.checked_sub(Validity::RENEW)) {
        Some(renew) if renew > now => Due::NotBefore(renew),
        _ => Due::Expires,
    }
}

/// When a certificate ends.
#[must_use]
pub fn end(certificate: &str) -> Option<SystemTime> {
    let (_, pem) = parse_x509_pem(certificate.as_bytes()).ok()?;
    not_after(&pem.parse_x509().ok()?)
}

fn not_after(certificate: &X509Certificate<'_>) -> Option<SystemTime> {
    let seconds = u64::try_from(certificate.validity().not_after.timestamp()).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

fn subject<'a>(certificate: &'a X509Certificate<'a>) -> (&'a str, &'a str) {
    let subject = certificate.subject();
    let name =
        subject.iter_common_name().next().and_then(|name| name.as_str().ok()).unwrap_or_default();
    let organization =
        subject.iter_organization().next().and_then(|name| name.as_str().ok()).unwrap_or_default();
    (name, organization)
}

fn names_of(certificate: &X509Certificate<'_>) -> Option<Names> {
    let mut names = Names { dns: BTreeSet::new(), addresses: BTreeSet::new() };
    let extensions = certificate.extensions().iter().map(|extension| extension.parsed_extension());
    for extension in extensions {
        let ParsedExtension::SubjectAlternativeName(alternatives) = extension else { continue };
        for name in &alternatives.general_names {
            match name {
                GeneralName::DNSName(name) => {
                    names.dns.insert((*name).to_owned());
                }
                GeneralName::IPAddress(bytes) => {
                    let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
                    let v6 = <[u8; 16]>::try_from(*bytes).map(IpAddr::from);
                    names.addresses.insert(v4.or(v6).ok()?);
                }
                _ => return None,
            }
        }
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::super::{Pki, Wanted, spec};
    use super::*;

    fn serving_with(names: &Names) -> Wanted<'_> {
        Wanted { serving: Some(names), etcd: None }
    }

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn names(list: &[&str]) -> Names {
        Names {
            dns: list.iter().map(|name| (*name).to_owned()).collect(),
            addresses: ["10.0.0.1".parse().unwrap()].into(),
        }
    }

    fn serving(pki: &Pki, names: &Names, now: SystemTime) -> Due {
        due(pki.get("apiserver.crt").ok(), &spec::SERVING, names, pki.get("ca.crt").unwrap(), now)
    }

    #[test]
    fn a_leaf_is_renewed_with_thirty_days_left_and_not_before() {
        let (mut pki, now, names) = (Pki::default(), SystemTime::now(), names(&["a", "b"]));
        pki.complete(serving_with(&names), now).unwrap();
        let Due::NotBefore(renew) = serving(&pki, &names, now) else { panic!("due at once") };
        let days = renew.duration_since(now).unwrap().as_secs_f64() / DAY.as_secs_f64();
        assert!((334.9..335.1).contains(&days), "{days}");
        assert_eq!(serving(&pki, &names, now + DAY * 334).reason(), None);
        assert_eq!(serving(&pki, &names, now + DAY * 336), Due::Expires);
        assert_eq!(serving(&pki, &names, now + DAY * 400), Due::Expires);
    }

    #[test]
    fn names_are_compared_exactly() {
        let (mut pki, now) = (Pki::default(), SystemTime::now());
        pki.complete(serving_with(&names(&["a", "b"])), now).unwrap();
        assert_eq!(serving(&pki, &names(&["b", "a"]), now).reason(), None);
        assert_eq!(serving(&pki, &names(&["a"]), now), Due::Names);
        assert_eq!(serving(&pki, &names(&["a", "b", "c"]), now), Due::Names);
    }

    #[test]
    fn a_second_look_changes_nothing_and_a_later_one_only_leaves() {
        let (mut pki, now) = (Pki::default(), SystemTime::now());
        let first = pki.complete(serving_with(&names(&["a"])), now).unwrap();
        assert_eq!(first.len(), 4 + 1 + 6 + 1);
        assert_eq!(pki.complete(serving_with(&names(&["a"])), now).unwrap(), []);
        let authority = pki.get("client-ca.crt").unwrap().to_owned();
        let later = pki.complete(serving_with(&names(&["a"])), now + DAY * 340).unwrap();
        assert_eq!(later.len(), 7);
        assert!(later.iter().all(|change| change.because == Due::Expires));
        assert_eq!(pki.get("client-ca.crt").unwrap(), authority);
    }

    #[test]
    fn etcd_gets_certificates_where_the_chart_deploys_one() {
        let (mut pki, now) = (Pki::default(), SystemTime::now());
        pki.complete(Wanted::default(), now).unwrap();
        assert!(pki.get("etcd-ca.crt").is_err());
        let made = |pki: &mut Pki, names: &Names| -> Vec<&str> {
            let changes = pki.complete(Wanted { serving: None, etcd: Some(names) }, now).unwrap();
            changes.iter().map(|change| change.name).collect()
        };
        let all =
            ["etcd-ca", "etcd-server", "etcd-peer", "etcd-peer-client", "apiserver-etcd-client"];
        assert_eq!(made(&mut pki, &names(&["one"])), all);
        assert_eq!(made(&mut pki, &names(&["one"])), [""; 0]);
        assert_eq!(made(&mut pki, &names(&["two"])), ["etcd-server", "etcd-peer"]);
    }

    #[test]
    fn a_new_authority_makes_its_leaves_new() {
        let (mut pki, mut other, now) = (Pki::default(), Pki::default(), SystemTime::now());
        pki.complete(Wanted::default(), now).unwrap();
        other.complete(Wanted::default(), now).unwrap();
        let mut files: std::collections::BTreeMap<String, String> =
            pki.files().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
        for file in ["client-ca.crt", "client-ca.key"] {
            files.insert(file.into(), other.get(file).unwrap().to_owned());
        }
        let changes = Pki::from_files(files).complete(Wanted::default(), now).unwrap();
        let names: Vec<&str> = changes.iter().map(|change| change.name).collect();
        assert_eq!(names, ["admin", "controller-manager", "scheduler", "syncer"]);
        assert!(changes.iter().all(|change| change.because == Due::Authority));
    }

    #[test]
    fn damage_to_an_authority_is_an_error_and_to_a_leaf_is_not() {
        let now = SystemTime::now();
        let mut pki = Pki::default();
        pki.complete(Wanted::default(), now).unwrap();
        let files: std::collections::BTreeMap<String, String> =
            pki.files().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
        let mut half = files.clone();
        half.remove("client-ca.key");
        assert!(Pki::from_files(half).complete(Wanted::default(), now).is_err());
        let mut leaf = files;
        leaf.insert("syncer.crt".into(), "nonsense".into());
        leaf.remove("admin.key");
        let changes = Pki::from_files(leaf).complete(Wanted::default(), now).unwrap();
        let why: Vec<_> =
            changes.iter().map(|change| (change.name, change.because.clone())).collect();
        assert_eq!(why, [("admin", Due::Missing), ("syncer", Due::Unreadable)]);
    }
}
