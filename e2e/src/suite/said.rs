//! What a program answered, and what a promise expects of that.

use anyhow::{Result, ensure};

/// The answer of a program that ended.
#[derive(Debug, Clone)]
pub struct Said {
    /// What was run, for messages.
    pub line: String,
    /// The exit code; nothing when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Said {
    /// Expects success.
    ///
    /// # Errors
    /// When it failed, with all it said.
    pub fn succeeds(self) -> Result<Self> {
        self.ends_with(0)
    }

    /// Expects an exit code.
    ///
    /// # Errors
    /// When it was another, with all that was said.
    pub fn ends_with(self, code: i32) -> Result<Self> {
        ensure!(self.code == Some(code), "expected exit code {code} from {self}");
        Ok(self)
    }

    /// Expects words on standard error.
    ///
    /// # Errors
    /// When one is missing, with all that was said.
    pub fn complains(self, words: &[&str]) -> Result<Self> {
        for word in words {
            ensure!(self.stderr.contains(word), "expected {word:?} on standard error of {self}");
        }
        Ok(self)
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` (exit code {:?})", self.line, self.code)?;
        for (name, text) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !text.trim().is_empty() {
                write!(f, "\n--- {name}\n{}", text.trim_end())?;
            }
        }
        Ok(())
    }
}
