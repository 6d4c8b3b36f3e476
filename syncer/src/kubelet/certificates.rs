//! The serving certificate of each virtual node: signed by the virtual cluster's CA, kept in memory only.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::KubeletError;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const VALID_FOR: Duration = Duration::from_secs(365 * DAY.as_secs());
const RENEW_BEFORE_END: Duration = Duration::from_secs(30 * DAY.as_secs());
/// Clocks of API server and syncer may differ a little.
const BACKDATED: Duration = Duration::from_secs(60 * 60);

/// The CA that the virtual API server verifies kubelets with (`--kubelet-certificate-authority`).
pub struct NodeSigner(Issuer<'static, KeyPair>);

impl NodeSigner {
    /// Reads the CA's certificate and its PKCS#8 private key.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn from_pem(certificate: &str, key: &str) -> Result<Self, KubeletError> {
        let key = KeyPair::from_pem(key).map_err(KubeletError::Signer)?;
        Issuer::from_ca_cert_pem(certificate, key).map(NodeSigner).map_err(KubeletError::Signer)
    }

    fn issue(&self, subject: &Subject, now: SystemTime) -> Result<Issued, KubeletError> {
        let failed = |source| KubeletError::Certificate { node: subject.node.clone(), source };
        let mut params = CertificateParams::default();
        params.not_before = (now - BACKDATED).into();
        params.not_after = (now + VALID_FOR).into();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "system:nodes");
        params.distinguished_name.push(DnType::CommonName, format!("system:node:{}", subject.node));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        for name in &subject.names {
            let name = name.as_str().try_into().map_err(failed)?;
            params.subject_alt_names.push(SanType::DnsName(name));
        }
        params.subject_alt_names.extend(subject.addresses.iter().copied().map(SanType::IpAddress));
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.signed_by(&key, &self.0).map_err(failed)?;
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        let key =
            rustls::crypto::ring::sign::any_supported_type(&key).map_err(KubeletError::Tls)?;
        Ok(Issued {
            certified: Arc::new(CertifiedKey::new(vec![certificate.into()], key)),
            renew_at: now + VALID_FOR - RENEW_BEFORE_END,
        })
    }
}

/// Whom a certificate is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subject {
    pub(super) node: String,
    /// DNS names.
    pub(super) names: Vec<String>,
    pub(super) addresses: Vec<IpAddr>,
}

struct Issued {
    certified: Arc<CertifiedKey>,
    renew_at: SystemTime,
}

/// A node's certificate. It renews itself at the first handshake of its last 30 days, so no timer can be missed.
pub(super) struct NodeCertificate(Mutex<State>);

struct State {
    signer: Arc<NodeSigner>,
    subject: Subject,
    issued: Issued,
}

impl NodeCertificate {
    pub(super) fn new(signer: Arc<NodeSigner>, subject: Subject) -> Result<Self, KubeletError> {
        let issued = signer.issue(&subject, SystemTime::now())?;
        Ok(NodeCertificate(Mutex::new(State { signer, subject, issued })))
    }

    /// Makes a new certificate when the CA or the subject is not that of the present one.
    pub(super) fn update(
        &self,
        signer: &Arc<NodeSigner>,
        subject: Option<Subject>,
    ) -> Result<(), KubeletError> {
        let mut state = self.lock();
        let subject = subject.unwrap_or_else(|| state.subject.clone());
        if Arc::ptr_eq(&state.signer, signer) && state.subject == subject {
            return Ok(());
        }
        let issued = signer.issue(&subject, SystemTime::now())?;
        *state = State { signer: Arc::clone(signer), subject, issued };
        Ok(())
    }

    fn current(&self, now: SystemTime) -> Arc<CertifiedKey> {
        let mut state = self.lock();
        if now >= state.issued.renew_at {
            match state.signer.issue(&state.subject, now) {
                Ok(issued) => {
                    tracing::debug!(node = state.subject.node, "kubelet certificate renewed");
                    state.issued = issued;
                }
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(
                        node = state.subject.node,
                        error,
                        "kubelet certificate not renewed"
                    );
                }
            }
        }
        Arc::clone(&state.issued.certified)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ResolvesServerCert for NodeCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current(SystemTime::now()))
    }
}

impl std::fmt::Debug for NodeCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("NodeCertificate").field(&self.lock().subject).finish()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::net::Ipv4Addr;

    use rcgen::{BasicConstraints, IsCa};
    use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

    use super::*;

    /// Certificate and key of a new CA, in PEM.
    pub(in crate::kubelet) fn new_ca() -> (String, String) {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    fn signer() -> Arc<NodeSigner> {
        let (certificate, key) = new_ca();
        Arc::new(NodeSigner::from_pem(&certificate, &key).unwrap())
    }

    fn subject() -> Subject {
        Subject {
            node: "fake-1".to_owned(),
            names: vec!["fake-1".to_owned()],
            addresses: vec![Ipv4Addr::new(10, 96, 0, 9).into()],
        }
    }

    #[test]
    fn it_names_the_node_and_its_address() {
        let certificate = NodeCertificate::new(signer(), subject()).unwrap();
        let certified = certificate.current(SystemTime::now());
        let (_, parsed) = X509Certificate::from_der(&certified.cert[0]).unwrap();
        assert_eq!(parsed.subject().to_string(), "O=system:nodes, CN=system:node:fake-1");
        let names = &parsed.subject_alternative_name().unwrap().unwrap().value.general_names;
        assert_eq!(
            names,
            &[GeneralName::DNSName("fake-1"), GeneralName::IPAddress(&[10, 96, 0, 9])]
        );
    }

    #[test]
    fn it_renews_itself_thirty_days_before_its_end() {
        let certificate = NodeCertificate::new(signer(), subject()).unwrap();
        let now = SystemTime::now();
        let first = certificate.current(now);
        assert!(Arc::ptr_eq(&first, &certificate.current(now + 334 * DAY)));
        let second = certificate.current(now + 336 * DAY);
        assert!(!Arc::ptr_eq(&first, &second));
        assert!(Arc::ptr_eq(&second, &certificate.current(now + 600 * DAY)));
    }

    #[test]
    fn only_another_ca_or_subject_makes_another_one() {
        let ca = signer();
        let certificate = NodeCertificate::new(Arc::clone(&ca), subject()).unwrap();
        let now = SystemTime::now();
        let first = certificate.current(now);
        certificate.update(&ca, Some(subject())).unwrap();
        assert!(Arc::ptr_eq(&first, &certificate.current(now)));
        let moved = Subject { addresses: vec![Ipv4Addr::new(10, 96, 0, 10).into()], ..subject() };
        certificate.update(&ca, Some(moved)).unwrap();
        let second = certificate.current(now);
        assert!(!Arc::ptr_eq(&first, &second));
        certificate.update(&signer(), None).unwrap();
        assert!(!Arc::ptr_eq(&second, &certificate.current(now)));
    }
}
