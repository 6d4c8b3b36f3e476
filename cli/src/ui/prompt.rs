//! Questions. Without a terminal nothing is ever asked.

use dialoguer::{Confirm, FuzzySelect, theme::ColorfulTheme};

use super::Ui;
use crate::error::{CliError, Kind, Result};

impl Ui {
    /// Asks a yes-or-no question whose default is no.
    ///
    /// # Errors
    /// When nobody can answer, or the question was left with Ctrl-C or Escape.
    pub fn confirm(&self, question: &str) -> Result<bool> {
        self.must_be_interactive(question)?;
        Confirm::with_theme(&ColorfulTheme::default())
            .with_prompt(question)
            .default(false)
            .interact_opt()
            .map_err(unread)?
            .ok_or_else(abandoned)
    }

    /// Lets the user pick one of several lines by typing parts of it; answers the index.
    ///
    /// # Errors
    /// As [`Ui::confirm`].
    pub fn pick(&self, question: &str, lines: &[String]) -> Result<usize> {
        self.must_be_interactive(question)?;
        FuzzySelect::with_theme(&ColorfulTheme::default())
            .with_prompt(question)
            .items(lines)
            .default(0)
            .interact_opt()
            .map_err(unread)?
            .ok_or_else(abandoned)
    }

    fn must_be_interactive(&self, question: &str) -> Result<()> {
        if self.interactive() {
            return Ok(());
        }
        Err(CliError::new(Kind::Refused, format!("nobody can be asked: {question}"))
            .because("this is not a terminal, or questions are turned off"))
    }
}

/// Ctrl-C leaves the question as it stands: half a line, and no cursor.
fn unread(error: dialoguer::Error) -> CliError {
    let dialoguer::Error::IO(error) = error;
    let terminal = console::Term::stderr();
    // What cannot be tidied up stays untidy.
    let _ = terminal.show_cursor().and_then(|()| terminal.write_line(""));
    if error.kind() == std::io::ErrorKind::Interrupted {
        return abandoned();
    }
    CliError::failed("cannot read the answer").cause(&error)
}

fn abandoned() -> CliError {
    CliError::new(Kind::Interrupted, "no answer was given")
}
