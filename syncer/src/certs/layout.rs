//! The PKI where distributions look for it that make their certificates by themselves.
//!
//! Such a distribution finds authorities and makes none. Whatever else it makes at its start is in the same memory-backed
//! directory, so each pod begins with fresh certificates.

use std::io;
use std::path::Path;

use vcluster_config::DistroKind;

use super::{Pki, PkiError, files};

/// Names of ours, and the names under which k3s looks for the same, without `.crt` and `.key`. Source:
/// <https://docs.k3s.io/cli/certificate>, custom authorities.
const K3S: [(&str, &str); 3] =
    [("ca", "server-ca"), ("client-ca", "client-ca"), ("front-proxy-ca", "request-header-ca")];

/// The same for k0s. Source: <https://docs.k0sproject.io/stable/custom-ca/>.
const K0S: [(&str, &str); 2] = [("ca", "ca"), ("front-proxy-ca", "front-proxy-ca")];

/// The keys of service account tokens, as k0s names them too.
const TOKENS: [&str; 2] = ["sa.key", "sa.pub"];

/// File of the PKI's directory with every authority that signs a client of a k0s: ours, and the one that k0s signs its
/// own programs with. Not named `.crt`: it is none of the PKI's own.
const CLIENTS: &str = "client-ca.bundle";

/// Why the files cannot be there.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// The PKI is not whole.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// The directory cannot be written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Writes the authorities to the folder of `directory` that is named after the distribution. Nothing is written for one
/// that is told every file by an argument.
///
/// # Errors
/// When an authority is missing or the directory cannot be written.
pub fn write_layout(distro: DistroKind, pki: &Pki, directory: &Path) -> Result<(), LayoutError> {
    let authorities = match distro {
        DistroKind::K8s | DistroKind::Eks => return Ok(()),
        DistroKind::K3s => K3S.as_slice(),
        DistroKind::K0s => K0S.as_slice(),
    };
    let folder = directory.join(distro.key());
    std::fs::create_dir_all(&folder)?;
    for (ours, theirs) in authorities {
        for ending in ["crt", "key"] {
            let text = pki.get(&format!("{ours}.{ending}"))?;
            files::write(&folder, &format!("{theirs}.{ending}"), text)?;
        }
    }
    if distro == DistroKind::K0s {
        for file in TOKENS {
            files::write(&folder, file, pki.get(file)?)?;
        }
        let both = format!("{}{}", pki.get("client-ca.crt")?, pki.get("ca.crt")?);
        files::write(directory, CLIENTS, &both)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::read_files;
    use super::*;

    #[test]
    fn k3s_finds_the_authorities_and_renewal_does_not() {
        let directory = tempfile::tempdir().unwrap();
        let pki = Pki::fresh();
        files::write_files(&pki, directory.path(), "https://127.0.0.1:8443").unwrap();
        write_layout(DistroKind::K3s, &pki, directory.path()).unwrap();
        let read = |name: &str| std::fs::read_to_string(directory.path().join(name)).unwrap();
        assert_eq!(read("k3s/server-ca.crt"), pki.get("ca.crt").unwrap());
        assert_eq!(read("k3s/client-ca.key"), pki.get("client-ca.key").unwrap());
        assert_eq!(read("k3s/request-header-ca.crt"), pki.get("front-proxy-ca.crt").unwrap());
        assert_eq!(read_files(directory.path()).unwrap(), pki, "the folder is not part of it");
    }

    #[test]
    fn k0s_finds_authorities_and_keys_and_trusts_both_signers_of_clients() {
        let directory = tempfile::tempdir().unwrap();
        let pki = Pki::fresh();
        write_layout(DistroKind::K0s, &pki, directory.path()).unwrap();
        let read = |name: &str| std::fs::read_to_string(directory.path().join(name)).unwrap();
        for file in ["ca.crt", "ca.key", "front-proxy-ca.crt", "sa.key", "sa.pub"] {
            assert_eq!(read(&format!("k0s/{file}")), pki.get(file).unwrap());
        }
        let bundle = read("client-ca.bundle");
        assert_eq!(bundle.matches("-----BEGIN CERTIFICATE-----").count(), 2);
        assert_eq!(read_files(directory.path()).unwrap(), Pki::default());
    }

    #[test]
    fn others_get_no_folder() {
        let directory = tempfile::tempdir().unwrap();
        write_layout(DistroKind::K8s, &Pki::default(), directory.path()).unwrap();
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
