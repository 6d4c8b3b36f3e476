//! The one place that writes kubeconfig files.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::document::{self, LISTS, Stanza};
use super::files::{self, Files};
use crate::error::{CliError, Kind, Result};
use crate::yaml;

/// How long to wait for another program that holds a lock file.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);

/// What to do to the files, all of it or nothing.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Put this in or replace it.
    pub set: Option<Stanza>,
    /// Remove context, cluster and user of this name.
    pub remove: Option<String>,
    /// Make this context current; an empty name unsets it.
    pub current: Option<String>,
}

/// Edits the files under their locks and answers whether anything changed.
///
/// # Errors
/// A file that cannot be read, locked or written. Files are written one by one; with a single file the edit is atomic.
pub fn edit(files: &Files, change: &Change) -> Result<bool> {
    let Some(new) = files.for_new() else {
        return Err(CliError::failed("there is no kubeconfig file to write to"));
    };
    // The same order as kubectl's, so that two writers cannot wait for each other.
    let mut paths: Vec<PathBuf> = files.existing().map(Path::to_path_buf).collect();
    if !paths.iter().any(|path| path == new) {
        paths.push(new.to_path_buf());
    }
    let mut order: Vec<PathBuf> = paths.iter().map(|path| resolve(path)).collect();
    order.sort();
    order.dedup();
    let locks = order.iter().map(|path| Lock::take(path)).collect::<Result<Vec<_>>>()?;

    let mut documents = paths
        .iter()
        .map(|path| if path.exists() { files::read(path) } else { Ok(document::empty()) })
        .collect::<Result<Vec<Value>>>()?;
    let before = documents.clone();
    apply(&mut documents, change);
    let mut changed = false;
    for ((path, old), new) in paths.iter().zip(&before).zip(&documents) {
        if old != new {
            write(&resolve(path), new)?;
            changed = true;
        }
    }
    drop(locks);
    Ok(changed)
}

/// The edit itself, on the documents in the order in which the first one wins.
fn apply(documents: &mut [Value], change: &Change) {
    if let Some(name) = &change.remove {
        for document in documents.iter_mut() {
            for list in LISTS {
                document::remove(document, list, name);
            }
            if document::current_context(document) == Some(name) {
                document::set_current(document, "");
            }
        }
    }
    if let Some(stanza) = &change.set {
        for list in LISTS {
            let owner =
                documents.iter().position(|document| document::has(document, list, &stanza.name));
            if let Some(document) = documents.get_mut(owner.unwrap_or(0)) {
                document::upsert(document, list, stanza);
            }
        }
    }
    match change.current.as_deref() {
        Some("") => documents.iter_mut().for_each(|document| {
            if document::current_context(document).is_some() {
                document::set_current(document, "");
            }
        }),
        Some(name) => {
            if let Some(first) = documents.first_mut() {
                document::set_current(first, name);
            }
        }
        None => {}
    }
}

/// Writes a new file beside the old one, then takes its place. Only the owner can read it.
fn write(path: &Path, document: &Value) -> Result<()> {
    let fail = |error: &dyn std::fmt::Display| {
        CliError::failed(format!("cannot write the kubeconfig {}", path.display()))
            .because(error.to_string())
    };
    let text = yaml::write(document).map_err(|error| fail(&error))?;
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // tempfile makes its files with mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|error| fail(&error))?;
    file.write_all(text.as_bytes()).map_err(|error| fail(&error))?;
    file.as_file().sync_all().map_err(|error| fail(&error))?;
    file.persist(path).map_err(|error| fail(&error.error))?;
    Ok(())
}

/// The file behind a symbolic link: a rename must not replace the link.
fn resolve(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf())
}

/// client-go's lock: a file `<kubeconfig>.lock` that exists while someone writes.
struct Lock(PathBuf);

impl Lock {
    fn take(kubeconfig: &Path) -> Result<Self> {
        let fail = |what: &str, error: &std::io::Error| {
            CliError::failed(format!("cannot {what} {}", kubeconfig.display()))
                .because(error.to_string())
        };
        if let Some(folder) = kubeconfig.parent() {
            fs::create_dir_all(folder).map_err(|error| fail("make the folder of", &error))?;
        }
        let mut name = kubeconfig.as_os_str().to_owned();
        name.push(".lock");
        let path = PathBuf::from(name);
        let started = Instant::now();
        loop {
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(_) => return Ok(Self(path)),
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                    return Err(fail("lock the kubeconfig", &error));
                }
                Err(_) if started.elapsed() < LOCK_PATIENCE => {
                    std::thread::sleep(Duration::from_millis(10))
                }
                Err(_) => {
                    return Err(CliError::new(
                        Kind::Conflict,
                        format!("the kubeconfig {} is locked", kubeconfig.display()),
                    )
                    .because("another kubectl or vcluster is writing it, or one died while writing")
                    .hint(format!("rm {}", path.display())));
                }
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A lock that cannot be removed is reported by whoever runs into it.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn stanza(name: &str, server: &str) -> Stanza {
        Stanza {
            name: name.into(),
            cluster: json!({ "server": server }),
            user: json!({}),
            origin: None,
        }
    }

    fn set(name: &str, server: &str) -> Change {
        Change { set: Some(stanza(name, server)), current: Some(name.into()), remove: None }
    }

    #[test]
    fn a_new_file_is_private_and_no_lock_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sub/config");
        let files = Files::of(vec![path.clone()]);
        assert!(edit(&files, &set("mine", "https://x")).unwrap());
        assert!(
            !edit(&files, &set("mine", "https://x")).unwrap(),
            "the second time changes nothing"
        );
        assert_eq!(files.current().unwrap().as_deref(), Some("mine"));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_stanza_is_edited_in_the_file_that_owns_it() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        fs::write(&one, "kind: Config\ncurrent-context: kind\nx-own: {kept: 1}\n").unwrap();
        let owner = Files::of(vec![two.clone()]);
        edit(&owner, &set("mine", "https://old")).unwrap();
        let both = Files::of(vec![one.clone(), two.clone()]);
        edit(&both, &set("mine", "https://new")).unwrap();
        let (one, two) = (fs::read_to_string(one).unwrap(), fs::read_to_string(two).unwrap());
        assert!(two.contains("https://new") && !one.contains("https://new"), "{one}\n{two}");
        assert!(one.contains("current-context: mine") && one.contains("kept: 1"), "{one}");
    }

    #[test]
    fn removing_clears_the_current_context_in_every_file() {
        let mut documents = [
            document::standalone(&stanza("mine", "s")),
            document::standalone(&stanza("mine", "s")),
        ];
        apply(&mut documents, &Change { remove: Some("mine".into()), ..Change::default() });
        for document in &documents {
            assert_eq!(document::current_context(document), None);
            assert!(!LISTS.iter().any(|list| document::has(document, list, "mine")));
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_symbolic_link_stays_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real"), dir.path().join("link"));
        fs::write(&real, "kind: Config\n").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        edit(&Files::of(vec![link.clone()]), &set("mine", "https://x")).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert!(fs::read_to_string(&real).unwrap().contains("https://x"));
    }

    #[test]
    fn writers_take_turns() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config");
        std::thread::scope(|scope| {
            for number in 0..8 {
                let files = Files::of(vec![path.clone()]);
                scope
                    .spawn(move || edit(&files, &set(&format!("c{number}"), "https://x")).unwrap());
            }
        });
        assert_eq!(Files::of(vec![path]).contexts().unwrap().len(), 8);
    }
}
