//! Trust in the authorities of a file, which may be replaced while the syncer runs.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::fresh::Fresh;
use super::{AccessError, certificates};

/// Asks rustls' own verifier, with the authorities of now.
#[derive(Debug)]
pub struct Trust {
    provider: Arc<CryptoProvider>,
    verifier: Fresh<Arc<WebPkiServerVerifier>>,
}

impl Trust {
    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read, or holds no authority.
    pub fn read(path: &Path, provider: Arc<CryptoProvider>) -> Result<Trust, AccessError> {
        let verifier = Fresh::read(path, |path| verifier(path, &provider))?;
        Ok(Trust { provider, verifier })
    }

    fn current(&self) -> Arc<WebPkiServerVerifier> {
        self.at(Instant::now())
    }

    fn at(&self, now: Instant) -> Arc<WebPkiServerVerifier> {
        self.verifier.get(now, |path| verifier(path, &self.provider))
    }
}

fn verifier(
    path: &Path,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, AccessError> {
    let mut roots = RootCertStore::empty();
    for authority in certificates(path)? {
        roots.add(authority)?;
    }
    Ok(WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()?)
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.current().verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        )
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.current().verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.current().verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.current().supported_verify_schemes()
    }
}

#[cfg(test)]
pub mod tests {
    use std::time::Duration;

    use super::*;

    pub fn authority() -> String {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.self_signed(&key).unwrap().pem()
    }

    #[test]
    fn new_authorities_are_believed_and_a_lost_file_is_no_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.crt");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let read = || Trust::read(&path, Arc::clone(&provider));
        assert!(matches!(read(), Err(AccessError::File { .. })));
        std::fs::write(&path, "").unwrap();
        assert!(matches!(read(), Err(AccessError::Authorities(_))));
        std::fs::write(&path, authority()).unwrap();
        let trust = read().unwrap();
        let at = |seconds| trust.at(Instant::now() + Duration::from_secs(seconds));
        let first = at(0);
        std::fs::write(&path, authority()).unwrap();
        assert!(Arc::ptr_eq(&at(1), &first), "the file is not read for every connection");
        let second = at(61);
        assert!(!Arc::ptr_eq(&second, &first));
        std::fs::remove_file(&path).unwrap();
        assert!(Arc::ptr_eq(&at(200), &second));
    }
}
