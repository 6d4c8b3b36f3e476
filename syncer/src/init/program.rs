//! Leaves this program in a volume.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Copies the running program to `directory/syncer`, whole or not at all.
pub(super) fn copy_to(directory: &Path) -> io::Result<()> {
    let fresh = directory.join(".syncer.new");
    std::fs::copy("/proc/self/exe", &fresh)?;
    std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o755))?;
    std::fs::rename(&fresh, directory.join("syncer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_can_be_run() {
        let directory = tempfile::tempdir().unwrap();
        copy_to(directory.path()).unwrap();
        copy_to(directory.path()).unwrap();
        let copy = directory.path().join("syncer");
        assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o755);
        assert!(std::process::Command::new(copy).arg("--list").output().unwrap().status.success());
    }
}
