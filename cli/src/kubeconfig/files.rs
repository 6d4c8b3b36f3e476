//! Which files there are, and what they say together.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use kube::config::Kubeconfig;
use serde_json::Value;

use super::document::{self, Origin};
use crate::error::{CliError, Kind, Result};
use crate::yaml;

/// The name that stands for a host context when the program runs in a pod without any kubeconfig.
pub const HOST_CONTEXT_OF_A_POD: &str = "in-cluster";

/// The kubeconfig files in the order in which the first one wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    paths: Vec<PathBuf>,
}

impl Files {
    /// One explicit file (`--kubeconfig`), else the list in `$KUBECONFIG`, else the default file.
    pub fn locate(explicit: Option<&Path>, variable: Option<&OsStr>, default: &Path) -> Self {
        let listed: Vec<PathBuf> = variable
            .map(|list| {
                std::env::split_paths(list).filter(|path| !path.as_os_str().is_empty()).collect()
            })
            .unwrap_or_default();
        let paths = match (explicit, listed.is_empty()) {
            (Some(file), _) => vec![file.to_path_buf()],
            (None, false) => listed,
            (None, true) => vec![default.to_path_buf()],
        };
        // A forwarder runs in another folder.
        let mut paths: Vec<PathBuf> =
            paths.into_iter().map(|path| std::path::absolute(&path).unwrap_or(path)).collect();
        let mut seen = std::collections::HashSet::new();
        paths.retain(|path| seen.insert(path.clone()));
        Self { paths }
    }

    /// These files and no others.
    pub fn of(paths: Vec<PathBuf>) -> Self {
        Self { paths }
    }

    /// All of them, also those that do not exist.
    pub fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// Those that exist.
    pub fn existing(&self) -> impl Iterator<Item = &Path> {
        self.paths.iter().map(PathBuf::as_path).filter(|path| path.exists())
    }

    /// Where something new goes: the first file that exists, else the last of the list, as kubectl does it.
    pub fn for_new(&self) -> Option<&Path> {
        self.existing().next().or_else(|| self.paths.last().map(PathBuf::as_path))
    }

    /// What kube's client needs. File names inside are made absolute, so this is only for reading.
    ///
    /// # Errors
    /// A file that cannot be read or is no kubeconfig.
    pub fn merged(&self) -> Result<Kubeconfig> {
        let mut merged = Kubeconfig::default();
        for path in self.existing() {
            let next = Kubeconfig::read_from(path)
                .map_err(|error| broken(path, &crate::error::chain(&error)))?;
            merged = merged.merge(next).map_err(|error| broken(path, &error.to_string()))?;
        }
        Ok(merged)
    }

    /// The documents as they stand in the files that exist.
    ///
    /// # Errors
    /// As [`Files::merged`].
    pub fn documents(&self) -> Result<Vec<(PathBuf, Value)>> {
        self.existing().map(|path| Ok((path.to_path_buf(), read(path)?))).collect()
    }

    /// The current context of all files together.
    ///
    /// # Errors
    /// As [`Files::merged`].
    pub fn current(&self) -> Result<Option<String>> {
        Ok(self
            .documents()?
            .iter()
            .find_map(|(_, document)| document::current_context(document).map(str::to_owned)))
    }

    /// The virtual cluster that a context belongs to, if it belongs to one.
    ///
    /// # Errors
    /// As [`Files::merged`].
    pub fn origin(&self, context: &str) -> Result<Option<Origin>> {
        let documents = self.documents()?;
        let holder =
            documents.iter().find(|(_, document)| document::has(document, "contexts", context));
        Ok(match holder {
            Some((_, document)) => document::origin_of(document, context),
            None => document::origin_of(&Value::Null, context),
        })
    }

    /// The address of a cluster entry.
    ///
    /// # Errors
    /// As [`Files::merged`].
    pub fn server(&self, cluster: &str) -> Result<Option<String>> {
        let documents = self.documents()?;
        Ok(documents
            .iter()
            .find_map(|(_, document)| document::server_of(document, cluster).map(str::to_owned)))
    }

    /// The names of all contexts, for messages and completion.
    ///
    /// # Errors
    /// As [`Files::merged`].
    pub fn contexts(&self) -> Result<Vec<String>> {
        Ok(self.merged()?.contexts.into_iter().map(|context| context.name).collect())
    }
}

/// Reads one file as a value.
pub(super) fn read(path: &Path) -> Result<Value> {
    let bytes = std::fs::read(path).map_err(|error| broken(path, &error.to_string()))?;
    let text = yaml::decode(&bytes).map_err(|reason| broken(path, &reason))?;
    match yaml::parse(&text).map_err(|reason| broken(path, &reason))? {
        Value::Null => Ok(document::empty()),
        value @ Value::Object(_) => Ok(value),
        _ => Err(broken(path, "the file does not hold a mapping")),
    }
}

fn broken(path: &Path, reason: &str) -> CliError {
    CliError::new(Kind::Failed, format!("cannot read the kubeconfig {}", path.display()))
        .because(reason)
        .hint(format!("kubectl config view --kubeconfig {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_wins_over_the_variable_over_the_default() {
        let default = Path::new("/home/u/.kube/config");
        let paths = |explicit: Option<&str>, variable: Option<&str>| {
            Files::locate(explicit.map(Path::new), variable.map(OsStr::new), default).paths
        };
        assert_eq!(paths(Some("/a"), Some("/b:/c")), [PathBuf::from("/a")]);
        assert_eq!(paths(None, Some("/b::/c:/b")), [PathBuf::from("/b"), PathBuf::from("/c")]);
        assert_eq!(paths(None, Some("")), [default]);
        assert_eq!(paths(None, None), [default]);
    }

    #[test]
    fn missing_files_are_skipped_and_the_first_one_wins() {
        let dir = tempfile::tempdir().unwrap();
        let (gone, one, two) =
            (dir.path().join("gone"), dir.path().join("one"), dir.path().join("two"));
        std::fs::write(&one, "contexts: [{name: a, context: {cluster: c}}]\n").unwrap();
        std::fs::write(&two, "current-context: b\ncontexts: [{name: b, context: {cluster: c}}]\n")
            .unwrap();
        let files = Files::of(vec![gone.clone(), one.clone(), two]);
        assert_eq!(files.current().unwrap().as_deref(), Some("b"));
        assert_eq!(files.contexts().unwrap(), ["a", "b"]);
        assert_eq!(files.for_new(), Some(one.as_path()));
        assert_eq!(Files::of(vec![gone.clone()]).for_new(), Some(gone.as_path()));
    }

    #[test]
    fn broken_files_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config");
        for text in ["a: [", "- 1", "a: 1\n---\nb: 2"] {
            std::fs::write(&path, text).unwrap();
            let error = Files::of(vec![path.clone()]).documents().unwrap_err();
            assert!(error.what.contains(path.to_str().unwrap()), "{error}");
        }
        std::fs::write(&path, "").unwrap();
        assert!(Files::of(vec![path]).current().unwrap().is_none());
    }
}
