//! The one error type of the program: what went wrong, why, and one command to try.

use std::fmt;

use kube::config::KubeconfigError;

/// What every fallible function of this crate returns.
pub type Result<T, E = CliError> = std::result::Result<T, E>;

/// An error that is ready to be shown. It prints as up to three lines, `error:`, `cause:` and `hint:`.
#[derive(Debug)]
pub struct CliError {
    /// Decides the exit code.
    pub kind: Kind,
    /// What could not be done, and on which thing.
    pub what: String,
    /// Why, when that is known.
    pub cause: Option<String>,
    /// One command that can be pasted, or one sentence when no command helps.
    pub hint: Option<String>,
}

/// The kinds of failure that a script can tell apart by the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Anything that has no code of its own.
    Failed = 1,
    /// The arguments or the values make no sense.
    Usage = 2,
    /// The virtual cluster, context or object does not exist.
    NotFound = 3,
    /// A deadline passed.
    Timeout = 4,
    /// It exists already, or someone else is changing it.
    Conflict = 5,
    /// Refused because it could do harm; an option allows it.
    Refused = 6,
    /// Ctrl-C.
    Interrupted = 130,
}

impl CliError {
    /// An error of a kind, with neither cause nor hint yet.
    pub fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), cause: None, hint: None }
    }

    /// An error without an exit code of its own.
    pub fn failed(what: impl Into<String>) -> Self {
        Self::new(Kind::Failed, what)
    }

    /// Wrong arguments or values.
    pub fn usage(what: impl Into<String>) -> Self {
        Self::new(Kind::Usage, what)
    }

    /// Adds the reason as text.
    #[must_use]
    pub fn because(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Adds the reason from an error and what lies below it.
    #[must_use]
    pub fn cause(self, cause: &(dyn std::error::Error + 'static)) -> Self {
        self.because(chain(cause))
    }

    /// Adds the command to try.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The hint, unless there is one already.
    #[must_use]
    pub fn or_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// A request to a cluster failed; `doing` completes "cannot ...".
    pub fn request(doing: impl fmt::Display, error: &kube::Error) -> Self {
        let what = format!("cannot {doing}");
        match error {
            kube::Error::Api(status) => {
                let kind = match status.code {
                    404 => Kind::NotFound,
                    409 => Kind::Conflict,
                    408 | 504 => Kind::Timeout,
                    _ => Kind::Failed,
                };
                let error = Self::new(kind, what).because(status.message.trim());
                match status.code {
                    401 => error.hint("kubectl auth whoami"),
                    403 => error.hint("kubectl auth can-i --list"),
                    _ => error,
                }
            }
            other => Self::failed(what).because(network_reason(other)),
        }
    }

    /// A kubeconfig could not be used.
    pub fn kubeconfig(error: &KubeconfigError) -> Self {
        Self::failed("cannot use the kubeconfig").cause(error).hint("kubectl config view")
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if let Some(cause) = &self.cause {
            write!(f, ": {cause}")?;
        }
        Ok(())
    }
}

impl std::error::Error for CliError {}

/// An error and everything below it in one line, saying nothing twice.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let part = source.to_string();
        if !text.contains(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        next = source.source();
    }
    text
}

/// The useful end of a chain of HTTP client errors: the layers above it ("ServiceError", "client error
/// (Connect)") say nothing to the reader.
fn network_reason(error: &kube::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    match error {
        kube::Error::Service(_) | kube::Error::HyperError(_) => innermost.to_string(),
        _ => chain(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api_error(code: u16, message: &str) -> kube::Error {
        kube::Error::Api(kube::core::Status::failure(message, "Reason").with_code(code).boxed())
    }

    #[test]
    fn api_status_decides_the_exit_code() {
        for (code, kind) in [
            (403, Kind::Failed),
            (404, Kind::NotFound),
            (409, Kind::Conflict),
            (504, Kind::Timeout),
            (500, Kind::Failed),
        ] {
            assert_eq!(CliError::request("list pods", &api_error(code, "no")).kind, kind, "{code}");
        }
    }

    #[test]
    fn forbidden_keeps_the_servers_words() {
        let error = CliError::request("list pods", &api_error(403, "pods is forbidden"));
        assert_eq!(error.to_string(), "cannot list pods: pods is forbidden");
        assert!(error.hint.is_some());
    }

    #[test]
    fn a_chain_says_nothing_twice() {
        let inner = CliError::failed("inner");
        let outer = CliError::failed("outer").cause(&inner);
        assert_eq!(chain(&outer), "outer: inner");
    }
}
