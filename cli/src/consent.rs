//! Changes that are made only with a yes: one from the terminal, or `-y`.

use crate::app::App;
use crate::error::{CliError, Kind, Result};

/// What needs a yes.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// What is asked, with what it costs.
    pub question: &'a str,
    /// What does not happen when nobody can be asked: "... without a yes".
    pub unasked: &'a str,
    /// What a no comes to: "nothing was ...".
    pub declined: &'a str,
    /// The command that says yes beforehand.
    pub yes: &'a str,
}

impl App {
    /// Returns when the user agrees, or has done so with `-y`.
    ///
    /// # Errors
    /// When nobody can be asked, the answer is no, or there is none.
    pub fn consent(&self, change: &Change<'_>) -> Result<()> {
        if self.settings.yes {
            return Ok(());
        }
        if !self.ui.interactive() {
            return Err(CliError::new(Kind::Refused, change.unasked)
                .because("this is not a terminal, or questions are turned off")
                .hint(change.yes));
        }
        match self.ui.confirm(change.question)? {
            true => Ok(()),
            false => Err(CliError::new(Kind::Refused, change.declined)),
        }
    }
}
