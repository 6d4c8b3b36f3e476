//! Reading certificates. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use x509_parser::pem::parse_x509_pem;
use x509_parser::x509::X509Name;

/// One certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Its file name without `.crt`.
    pub name: String,
    /// Common name.
    pub subject: String,
    /// Common name of who signed it.
    pub authority: String,
    /// Until when.
    pub ends: Timestamp,
    /// Whether it signs others.
    pub signs: bool,
}

/// All that can be read, authorities first.
pub fn certificates(data: &BTreeMap<String, ByteString>) -> Vec<Certificate> {
    let files = data.iter().filter_map(|(file, text)| Some((file.strip_suffix(".crt")?, text)));
    let mut found: Vec<Certificate> =
        files.filter_map(|(name, text)| certificate(name, &text.0)).collect();
    found.sort_by_key(|it| (!it.signs, it.name.clone()));
    found
}

fn certificate(name: &str, pem: &[u8]) -> Option<Certificate> {
    let (_, pem) = parse_x509_pem(pem).ok()?;
    let parsed = pem.parse_x509().ok()?;
    Some(Certificate {
        name: name.to_owned(),
        subject: common_name(parsed.subject()),
        authority: common_name(parsed.issuer()),
        ends: Timestamp::from_second(parsed.validity().not_after.timestamp()).ok()?,
        signs: parsed.is_ca(),
    })
}

fn common_name(name: &X509Name<'_>) -> String {
    let first = name.iter_common_name().next().and_then(|name| name.as_str().ok());
    first.unwrap_or_default().to_owned()
}

/// The files whose pairs are made anew: the leaves, or with `authorities` those too. Service account keys stay, for the
/// tokens that they signed, and so does what belongs to etcd, whose members must agree.
pub fn to_renew(data: &BTreeMap<String, ByteString>, authorities: bool) -> Vec<String> {
    let ours = certificates(data).into_iter().filter(|it| !it.name.contains("etcd"));
    let wanted = ours.filter(|it| authorities || !it.signs);
    wanted.flat_map(|it| [format!("{}.crt", it.name), format!("{}.key", it.name)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An authority and a leaf of 2026, made by openssl with P-256 keys.
    const AUTHORITY: &str = include_str!("../../tests/certificates/ca.crt");
    const LEAF: &str = include_str!("../../tests/certificates/admin.crt");

    fn data() -> BTreeMap<String, ByteString> {
        let file = |name: &str, text: &str| (name.to_owned(), ByteString(text.into()));
        BTreeMap::from([
            file("admin.crt", LEAF),
            file("admin.key", "k"),
            file("ca.crt", AUTHORITY),
            file("ca.key", "k"),
            file("etcd-server.crt", LEAF),
            file("odd.crt", "nonsense"),
            file("sa.key", "k"),
            file("sa.pub", "k"),
        ])
    }

    #[test]
    fn certificates_are_read() {
        let found = certificates(&data());
        let names: Vec<(&str, bool)> =
            found.iter().map(|it| (it.name.as_str(), it.signs)).collect();
        assert_eq!(names, [("ca", true), ("admin", false), ("etcd-server", false)]);
        assert_eq!(found[1].subject, "kubernetes-admin");
        assert_eq!(found[1].authority, "kubernetes-ca");
    }

    #[test]
    fn keys_of_tokens_and_of_etcd_stay() {
        assert_eq!(to_renew(&data(), false), ["admin.crt", "admin.key"]);
        assert_eq!(to_renew(&data(), true), ["ca.crt", "ca.key", "admin.crt", "admin.key"]);
    }
}
