//! Trust in the authorities of a file, which may be replaced while the syncer runs.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::{AccessError, certificates};

/// How long authorities are believed before their file is read again: it is read at a connection, not on a timer.
const FRESH: Duration = Duration::from_secs(60);

/// Asks rustls' own verifier, with the authorities of now.
#[derive(Debug)]
pub struct Trust {
    path: PathBuf,
    provider: Arc<CryptoProvider>,
    held: Mutex<(Arc<WebPkiServerVerifier>, Instant)>,
}

impl Trust {
    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read, or holds no authority.
    pub fn read(path: &Path, provider: Arc<CryptoProvider>) -> Result<Trust, AccessError> {
        let held = Mutex::new((verifier(path, &provider)?, Instant::now()));
        Ok(Trust { path: path.to_owned(), provider, held })
    }

    /// While the file cannot be read, those of before are believed.
    fn verifier(&self, now: Instant) -> Arc<WebPkiServerVerifier> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(held.1) >= FRESH {
            match verifier(&self.path, &self.provider) {
                Ok(fresh) => held.0 = fresh,
                Err(error) => {
                    tracing::warn!(%error, "the authorities of before are still believed");
                }
            }
            held.1 = now;
        }
        Arc::clone(&held.0)
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
        let verifier = self.verifier(Instant::now());
        verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
pub mod tests {
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
        let at = |seconds| trust.verifier(Instant::now() + Duration::from_secs(seconds));
        let first = at(0);
        std::fs::write(&path, authority()).unwrap();
        assert!(Arc::ptr_eq(&at(1), &first), "the file is not read for every connection");
        let second = at(61);
        assert!(!Arc::ptr_eq(&second, &first));
        std::fs::remove_file(&path).unwrap();
        assert!(Arc::ptr_eq(&at(200), &second));
    }
}
