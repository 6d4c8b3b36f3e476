//! The file that says that all is prepared: the other containers are held until it is there.

use std::io;
use std::net::IpAddr;
use std::path::Path;

use crate::certs::write_file;

/// Its name, in the directory of the certificates. The chart has the kubelet wait for it.
pub const NAME: &str = "prepared";

/// Whether all was prepared before, for these addresses: the container may have been started anew in its pod. A pod whose
/// network was made again keeps its volumes, but not its address.
pub(super) fn is_there(directory: &Path, addresses: &[IpAddr]) -> bool {
    std::fs::read_to_string(directory.join(NAME)).is_ok_and(|said| said == text(addresses))
}

/// What was prepared does not count any more.
pub(super) fn remove(directory: &Path) -> io::Result<()> {
    match std::fs::remove_file(directory.join(NAME)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// All is prepared.
pub(super) fn set(directory: &Path, addresses: &[IpAddr]) -> io::Result<()> {
    write_file(directory, NAME, &text(addresses))
}

fn text(addresses: &[IpAddr]) -> String {
    addresses.iter().map(|address| format!("{address}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_for_the_addresses_it_was_set_for() {
        let directory = tempfile::tempdir().unwrap();
        let [old, new] =
            ["10.0.0.1", "10.0.0.2"].map(|address| [address.parse::<IpAddr>().unwrap()]);
        let directory = directory.path();
        assert!(!is_there(directory, &old));
        remove(directory).unwrap();
        set(directory, &old).unwrap();
        assert!(is_there(directory, &old) && !is_there(directory, &new));
        remove(directory).unwrap();
        assert!(!is_there(directory, &old));
    }
}
