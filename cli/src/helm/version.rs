//! Which versions of helm will do. Pure.

use std::path::Path;

use crate::error::{CliError, Result};

/// How a helm brings objects to the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applies {
    /// It compares old, new and live, and sends what differs.
    Itself,
    /// The API server does, and keeps book of who set which field.
    OnTheServer,
}

/// The oldest version whose flags are used here.
const OLDEST: (u64, u64) = (3, 10);

/// No helm on `PATH`.
pub fn missing() -> CliError {
    CliError::failed("helm is not installed")
        .because("there is no helm on PATH")
        .hint(install_command())
}

/// A helm that does not run.
pub fn unusable(program: &Path, reason: &str) -> CliError {
    CliError::failed(format!("{} cannot be run", program.display()))
        .because(reason)
        .hint(install_command())
}

/// Whether the version that helm printed is new enough, and how it applies.
///
/// # Errors
/// When it is older, or no version.
pub fn check(program: &Path, text: &str) -> Result<Applies> {
    match parse(text) {
        Some(version) if version >= (4, 0) => Ok(Applies::OnTheServer),
        Some(version) if version >= OLDEST => Ok(Applies::Itself),
        Some(_) => Err(CliError::failed("helm is too old")
            .because(format!(
                "{} is version {}; {}.{} or newer is needed",
                program.display(),
                shown(text),
                OLDEST.0,
                OLDEST.1
            ))
            .hint(install_command())),
        None => Err(unusable(
            program,
            &format!("it calls itself {:?}, which is no version", text.trim()),
        )),
    }
}

/// `v3.19.0+g123`, `v3.19` and `3.19.0-rc.1` are 3.19.
fn parse(text: &str) -> Option<(u64, u64)> {
    let numbers = text.trim().trim_start_matches('v');
    let mut parts = numbers.split(['.', '+', '-']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// The version as helm's own users know it: without `v` and build.
fn shown(text: &str) -> &str {
    let text = text.trim().trim_start_matches('v');
    text.split_once('+').map_or(text, |(version, _)| version)
}

/// The command that installs helm on this system.
fn install_command() -> &'static str {
    if cfg!(target_os = "macos") {
        "brew install helm"
    } else if cfg!(windows) {
        "winget install Helm.Helm"
    } else {
        "curl -fsSL https://raw.githubusercontent.com/helm/helm/main/scripts/get-helm-3 | bash"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_from_3_10_on_will_do() {
        for (text, applies) in [
            ("v3.10.0", Applies::Itself),
            ("v3.19.2+g123", Applies::Itself),
            ("3.14.0-rc.1", Applies::Itself),
            ("v3.22", Applies::Itself),
            ("v4.0.1\n", Applies::OnTheServer),
            ("v5.0.0", Applies::OnTheServer),
        ] {
            assert_eq!(check(Path::new("helm"), text).unwrap(), applies, "{text}");
        }
        for text in ["v3.9.4", "v2.17.0", "v3.1"] {
            let error = check(Path::new("helm"), text).unwrap_err();
            assert_eq!(error.what, "helm is too old", "{text}");
            assert!(error.hint.is_some());
        }
        for text in ["", "helm", "v3"] {
            assert!(
                check(Path::new("helm"), text).unwrap_err().what.contains("cannot be run"),
                "{text}"
            );
        }
    }
}
