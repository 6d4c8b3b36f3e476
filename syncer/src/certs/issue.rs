//! Makes keys and certificates. Elliptic curves (P-256) throughout: an RSA key costs a start-up a second.

use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType,
};

use super::PkiError;
use super::names::Names;
use super::spec::{Authority, Leaf};

/// How long certificates are good for.
#[derive(Debug, Clone, Copy)]
pub struct Validity;

impl Validity {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    /// Of an authority: ten years.
    pub const AUTHORITY: Duration = Duration::from_secs(Self::DAY.as_secs() * 3650);
    /// Of a leaf: a year.
    pub const LEAF: Duration = Duration::from_secs(Self::DAY.as_secs() * 365);
    /// With so much left a leaf is renewed.
    pub const RENEW: Duration = Duration::from_secs(Self::DAY.as_secs() * 30);
    /// Clocks of host nodes and clients may differ.
    const BACKDATED: Duration = Duration::from_secs(60 * 60);
}

/// An authority's certificate and key.
pub(super) fn authority(
    authority: &Authority,
    now: SystemTime,
) -> Result<(String, String), PkiError> {
    let issue = || {
        let mut params = params(authority.common_name, "", now, Validity::AUTHORITY);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::CrlSign,
        ];
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        Ok((certificate.pem(), key.serialize_pem()))
    };
    issue().map_err(|source| PkiError::Issue { name: authority.name, source })
}

/// A certificate and its new key, signed by the authority of this PEM certificate and key.
pub(super) fn leaf(
    leaf: &Leaf,
    names: &Names,
    authority: &str,
    authority_key: &str,
    now: SystemTime,
) -> Result<(String, String), PkiError> {
    let unreadable = |source| PkiError::Authority { name: leaf.authority.name, source };
    let key = KeyPair::from_pem(authority_key).map_err(unreadable)?;
    let issuer = Issuer::from_ca_cert_pem(authority, key).map_err(unreadable)?;
    let issue = || {
        let mut params = params(leaf.common_name, leaf.organization, now, Validity::LEAF);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let usage = if leaf.serves {
            ExtendedKeyUsagePurpose::ServerAuth
        } else {
            ExtendedKeyUsagePurpose::ClientAuth
        };
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        for name in &names.dns {
            params.subject_alt_names.push(SanType::DnsName(name.as_str().try_into()?));
        }
        params.subject_alt_names.extend(names.addresses.iter().copied().map(SanType::IpAddress));
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &issuer)?;
        Ok((certificate.pem(), key.serialize_pem()))
    };
    issue().map_err(|source| PkiError::Issue { name: leaf.name, source })
}

/// The keys of service account tokens: public and private.
pub(super) fn token_keys() -> Result<(String, String), PkiError> {
    let key = KeyPair::generate().map_err(|source| PkiError::Issue { name: "sa", source })?;
    Ok((key.public_key_pem(), key.serialize_pem()))
}

fn params(
    common_name: &str,
    organization: &str,
    now: SystemTime,
    validity: Duration,
) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = (now - Validity::BACKDATED).into();
    params.not_after = (now + validity).into();
    params.distinguished_name = DistinguishedName::new();
    if !organization.is_empty() {
        params.distinguished_name.push(DnType::OrganizationName, organization);
    }
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

#[cfg(test)]
mod tests {
    use x509_parser::pem::parse_x509_pem;
    use x509_parser::prelude::*;

    use super::super::spec::{AUTHORITIES, CLIENTS, ETCD_CA, ETCD_CLIENTS, MEMBERS};
    use super::super::{Pki, Wanted};
    use super::*;

    fn made() -> Pki {
        let mut pki = Pki::default();
        let names = Names {
            dns: ["kubernetes".to_owned()].into(),
            addresses: ["127.0.0.1".parse().unwrap()].into(),
        };
        let wanted = Wanted { serving: Some(&names), etcd: Some(&names) };
        pki.complete(wanted, SystemTime::now()).unwrap();
        pki
    }

    fn parse(pki: &Pki, file: &str) -> Pem {
        parse_x509_pem(pki.get(file).unwrap().as_bytes()).unwrap().1
    }

    #[test]
    fn every_certificate_is_signed_by_its_authority_and_by_no_other() {
        let pki = made();
        let leaves = CLIENTS.into_iter().chain(MEMBERS).chain(ETCD_CLIENTS);
        for leaf in leaves.chain([&super::super::spec::SERVING]) {
            let pem = parse(&pki, &format!("{}.crt", leaf.name));
            let certificate = pem.parse_x509().unwrap();
            for authority in AUTHORITIES.into_iter().chain([&ETCD_CA]) {
                let ca = parse(&pki, &format!("{}.crt", authority.name));
                let ca = ca.parse_x509().unwrap();
                let signed = certificate.verify_signature(Some(ca.public_key())).is_ok();
                assert_eq!(
                    signed,
                    authority == leaf.authority,
                    "{} by {}",
                    leaf.name,
                    authority.name
                );
            }
            assert!(certificate.validity().is_valid());
            assert!(!certificate.is_ca());
            let usage = certificate.extended_key_usage().unwrap().unwrap().value;
            assert_eq!(
                (usage.server_auth, usage.client_auth),
                (leaf.serves, !leaf.serves),
                "{}",
                leaf.name
            );
        }
    }

    #[test]
    fn the_subject_is_the_user_that_kubernetes_sees() {
        let pki = made();
        let pem = parse(&pki, "admin.crt");
        assert_eq!(
            pem.parse_x509().unwrap().subject().to_string(),
            "O=system:masters, CN=kubernetes-admin"
        );
        let pem = parse(&pki, "controller-manager.crt");
        assert_eq!(
            pem.parse_x509().unwrap().subject().to_string(),
            "CN=system:kube-controller-manager"
        );
    }

    #[test]
    fn authorities_may_sign_and_last_ten_years() {
        let pki = made();
        for authority in AUTHORITIES {
            let pem = parse(&pki, &format!("{}.crt", authority.name));
            let certificate = pem.parse_x509().unwrap();
            assert!(certificate.is_ca());
            assert!(certificate.key_usage().unwrap().unwrap().value.key_cert_sign());
            let left = certificate.validity().time_to_expiration().unwrap().whole_days();
            assert!((3648..=3650).contains(&left), "{left}");
        }
    }

    #[test]
    fn openssl_agrees() {
        let pki = made();
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in pki.files() {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        for (ca, leaf, purpose) in [
            ("ca.crt", "apiserver.crt", "sslserver"),
            ("client-ca.crt", "admin.crt", "sslclient"),
            ("front-proxy-ca.crt", "front-proxy-client.crt", "sslclient"),
            ("etcd-ca.crt", "etcd-server.crt", "sslserver"),
            ("etcd-ca.crt", "etcd-peer-client.crt", "sslclient"),
        ] {
            let output = std::process::Command::new("openssl")
                .args(["verify", "-x509_strict", "-purpose", purpose, "-CAfile", ca, leaf])
                .current_dir(directory.path())
                .output()
                .unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }
}
