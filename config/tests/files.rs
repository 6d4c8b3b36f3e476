//! Files that are right, and files that are wrong with exactly what is said about them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what it expects by panicking"
)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    assert!(!files.is_empty());
    files
}

#[test]
fn valid_files_load() {
    for file in files("valid") {
        let text = std::fs::read_to_string(&file).unwrap();
        let loaded = vcluster_config::load("vcluster.yaml", &text)
            .unwrap_or_else(|invalid| panic!("{}:\n{invalid}", file.display()));
        assert_eq!(loaded.warnings, [], "{}", file.display());
    }
}

#[test]
fn invalid_files_are_told_what_is_wrong() {
    for file in files("invalid") {
        let text = std::fs::read_to_string(&file).unwrap();
        let problems = match vcluster_config::load("vcluster.yaml", &text) {
            Ok(loaded) => loaded.warnings,
            Err(invalid) => invalid.0,
        };
        let mut said = String::new();
        for problem in &problems {
            writeln!(said, "{:?}: {problem}", problem.severity).unwrap();
            if let Some(hint) = &problem.hint {
                writeln!(said, "  hint: {hint}").unwrap();
            }
        }
        let golden = file.with_extension("said");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&golden, &said).unwrap();
        }
        let want = std::fs::read_to_string(&golden).unwrap_or_default();
        assert_eq!(said, want, "{}", file.display());
        assert!(!problems.is_empty(), "{} is valid", file.display());
    }
}
