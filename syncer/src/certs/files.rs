//! Writes the PKI where the programs of the pod read it.

use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::{Pki, kubeconfig, spec};

/// Writes every file that is not yet as it should be, and a kubeconfig for every program that needs one. `server` is
/// the API server's address as seen from within the pod. Files appear whole or not at all, and only the owner can read
/// them.
///
/// # Errors
/// When the directory cannot be written.
pub fn write_files(pki: &Pki, directory: &Path, server: &str) -> io::Result<()> {
    for (name, text) in pki.files() {
        write(directory, name, text)?;
    }
    for name in spec::KUBECONFIGS {
        write(
            directory,
            &format!("{name}.conf"),
            &kubeconfig::for_program(name, directory, server),
        )?;
    }
    Ok(())
}

/// Reads what [`write_files`] wrote: every certificate and key in a directory.
///
/// # Errors
/// When the directory or a file cannot be read.
pub fn read_files(directory: &Path) -> io::Result<Pki> {
    let mut files = std::collections::BTreeMap::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let ending = Path::new(&name).extension().and_then(|ending| ending.to_str());
        if !name.starts_with('.') && matches!(ending, Some("crt" | "key" | "pub")) {
            files.insert(name, std::fs::read_to_string(entry.path())?);
        }
    }
    Ok(Pki::from_files(files))
}

/// Writes a file, whole or not at all, for the owner only.
pub(crate) fn write(directory: &Path, name: &str, text: &str) -> io::Result<()> {
    let path = directory.join(name);
    if std::fs::read(&path).is_ok_and(|present| present == text.as_bytes()) {
        return Ok(());
    }
    let fresh = directory.join(format!(".{name}.new"));
    // Left behind by a writer that was killed; its mode may be another.
    match std::fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    file.write_all(text.as_bytes())?;
    drop(file);
    std::fs::rename(&fresh, &path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    #[test]
    fn files_are_private_and_only_what_changed_is_written_again() {
        let directory = tempfile::tempdir().unwrap();
        let pki = Pki::fresh();
        std::fs::write(directory.path().join(".ca.crt.new"), "left behind").unwrap();
        write_files(&pki, directory.path(), "https://127.0.0.1:8443").unwrap();
        let state = |name: &str| std::fs::metadata(directory.path().join(name)).unwrap();
        assert_eq!(state("ca.key").permissions().mode() & 0o777, 0o600);
        let before = state("ca.crt").ino();
        write_files(&pki, directory.path(), "https://127.0.0.1:8443").unwrap();
        assert_eq!(state("ca.crt").ino(), before);
        let text = std::fs::read_to_string(directory.path().join("scheduler.conf")).unwrap();
        assert!(text.contains(&format!("{}/scheduler.crt", directory.path().display())), "{text}");
        let names: Vec<_> = std::fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert!(names.iter().all(|name| !name.to_string_lossy().starts_with('.')), "{names:?}");
    }
}
