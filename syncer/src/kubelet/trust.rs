//! TLS of a node's port, and who a client certificate makes of its holder.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::KubeletError;
use super::certificates::NodeCertificate;
use super::identity::{Caller, User};

/// Which client certificates a node accepts. Without a certificate a client needs a bearer token.
#[derive(Clone, Debug)]
pub struct ClientTrust {
    /// One or more CA certificates in PEM.
    pub ca_pem: String,
    /// What a certificate signed by that CA proves.
    pub purpose: CaPurpose,
}

/// What a client CA is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaPurpose {
    /// It signs the virtual API server's kubelet-client certificate and nothing else, above all no CSRs: who holds such a
    /// certificate is the API server, which has authorized the request already.
    ApiServerOnly,
    /// It signs others too (k3s). The certificate only names a user (CN) and groups (O), who must be allowed to do it.
    Users,
}

/// What a listener needs for a handshake.
#[derive(Clone)]
pub(super) struct Tls {
    pub(super) config: Arc<ServerConfig>,
    pub(super) purpose: CaPurpose,
}

impl Tls {
    pub(super) fn new(
        trust: &ClientTrust,
        own: Arc<NodeCertificate>,
    ) -> Result<Self, KubeletError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(trust.ca_pem.as_bytes()) {
            roots
                .add(certificate.map_err(KubeletError::ClientCaPem)?)
                .map_err(KubeletError::Tls)?;
        }
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .allow_unauthenticated()
                .build()
                .map_err(KubeletError::ClientCa)?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(KubeletError::Tls)?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(own);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Tls { config: Arc::new(config), purpose: trust.purpose })
    }
}

/// Who presented these (verified) certificates; the first is the client's own. None without one, or when it names nobody.
pub(super) fn holder(
    certificates: Option<&[CertificateDer<'_>]>,
    purpose: CaPurpose,
) -> Option<Caller> {
    let own = certificates?.first()?;
    match purpose {
        CaPurpose::ApiServerOnly => Some(Caller::ApiServer),
        CaPurpose::Users => {
            let (_, parsed) = X509Certificate::from_der(own).ok()?;
            let subject = parsed.subject();
            let name = subject.iter_common_name().next()?.as_str().ok()?.to_owned();
            let groups = subject
                .iter_organization()
                .filter_map(|group| group.as_str().ok())
                .map(str::to_owned)
                .chain(["system:authenticated".to_owned()])
                .collect();
            Some(Caller::User(Arc::new(User { name, groups, ..User::default() })))
        }
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

    use super::*;

    fn certificate(name: Option<&str>, groups: &[&str]) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        for group in groups {
            params.distinguished_name.push(DnType::OrganizationName, *group);
        }
        if let Some(name) = name {
            params.distinguished_name.push(DnType::CommonName, name);
        }
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().into()
    }

    #[test]
    fn a_ca_of_its_own_makes_the_api_server_a_shared_one_only_a_user() {
        let presented = [certificate(Some("kube-apiserver"), &["a"])];
        assert_eq!(holder(Some(&presented), CaPurpose::ApiServerOnly), Some(Caller::ApiServer));
        let Some(Caller::User(user)) = holder(Some(&presented), CaPurpose::Users) else {
            panic!("no user");
        };
        assert_eq!(user.name, "kube-apiserver");
        assert_eq!(user.groups, ["a", "system:authenticated"]);
    }

    #[test]
    fn no_certificate_or_no_name_is_nobody() {
        assert_eq!(holder(None, CaPurpose::ApiServerOnly), None);
        assert_eq!(holder(Some(&[]), CaPurpose::Users), None);
        assert_eq!(holder(Some(&[certificate(None, &["system:masters"])]), CaPurpose::Users), None);
    }
}
