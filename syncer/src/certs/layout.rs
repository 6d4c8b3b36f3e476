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
        DistroKind::K3s => K3S,
    };
    let folder = directory.join(distro.key());
    std::fs::create_dir_all(&folder)?;
    for (ours, theirs) in authorities {
        for ending in ["crt", "key"] {
            let text = pki.get(&format!("{ours}.{ending}"))?;
            files::write(&folder, &format!("{theirs}.{ending}"), text)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::super::{Wanted, read_files};
    use super::*;

    #[test]
    fn k3s_finds_the_authorities_and_renewal_does_not() {
        let directory = tempfile::tempdir().unwrap();
        let mut pki = Pki::default();
        pki.complete(Wanted::default(), SystemTime::now()).unwrap();
        files::write_files(&pki, directory.path(), "https://127.0.0.1:8443").unwrap();
        write_layout(DistroKind::K3s, &pki, directory.path()).unwrap();
        let read = |name: &str| std::fs::read_to_string(directory.path().join(name)).unwrap();
        assert_eq!(read("k3s/server-ca.crt"), pki.get("ca.crt").unwrap());
        assert_eq!(read("k3s/client-ca.key"), pki.get("client-ca.key").unwrap());
        assert_eq!(read("k3s/request-header-ca.crt"), pki.get("front-proxy-ca.crt").unwrap());
        assert_eq!(read_files(directory.path()).unwrap(), pki, "the folder is not part of it");
    }

    #[test]
    fn others_get_no_folder() {
        let directory = tempfile::tempdir().unwrap();
        write_layout(DistroKind::K8s, &Pki::default(), directory.path()).unwrap();
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
