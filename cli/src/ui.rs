//! The only place that prints. Data goes to stdout, talk goes to stderr.
//!
//! On a terminal a step is a spinner that becomes ` ✓ Step`; elsewhere each step and each change of what is waited
//! for is one plain line. With JSON output each of them is one object on stderr.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this module is where the program prints"
)]

pub mod listing;
mod prompt;
mod step;
pub mod table;

use std::io::{IsTerminal, Write};

use console::style;
use serde_json::{Map, Value, json};

use crate::error::{CliError, Result};
pub use step::Step;

/// How messages on stderr look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Symbols, colour and spinners as far as the terminal allows.
    #[value(alias = "text")]
    Plain,
    /// The bare sentences.
    Raw,
    /// One JSON object a line.
    Json,
}

/// What the user asked for and what the terminal can do.
#[derive(Clone, Debug)]
pub struct Ui {
    format: Format,
    quiet: bool,
    spinner: bool,
    interactive: bool,
}

/// The wishes that come from flags.
#[derive(Clone, Copy, Debug)]
pub struct Wishes {
    /// Look of the messages.
    pub format: Format,
    /// Say nothing but errors.
    pub quiet: bool,
    /// 0 nothing, 1 what the program does, 2 and more each request.
    pub verbosity: u8,
    /// Colour is not wanted.
    pub no_color: bool,
    /// Never ask.
    pub no_input: bool,
    /// Running where nobody looks at a terminal (`CI` is set).
    pub ci: bool,
    /// The terminal can only append (`TERM=dumb`).
    pub dumb: bool,
}

impl Ui {
    /// Looks at the terminal once and starts the log.
    pub fn new(wishes: Wishes) -> Self {
        let terminal = std::io::stderr().is_terminal() && !wishes.ci && !wishes.dumb;
        let color = terminal && !wishes.no_color && wishes.format == Format::Plain;
        console::set_colors_enabled_stderr(color);
        console::set_colors_enabled(color && std::io::stdout().is_terminal());
        start_log(wishes.verbosity, wishes.format, color);
        Self {
            format: wishes.format,
            quiet: wishes.quiet,
            // A spinner would redraw over log lines.
            spinner: terminal && wishes.verbosity == 0 && wishes.format == Format::Plain,
            interactive: terminal && !wishes.no_input && std::io::stdin().is_terminal(),
        }
    }

    /// Whether questions can be asked.
    pub fn interactive(&self) -> bool {
        self.interactive
    }

    /// Starts a step. It counts as failed unless [`Step::done`] is called.
    pub fn step(&self, label: impl Into<String>) -> Step {
        Step::start(self.clone(), label.into())
    }

    /// One sentence.
    pub fn info(&self, text: impl AsRef<str>) {
        self.say("info", "", text.as_ref());
    }

    /// Something that is worth a thought but stops nothing.
    pub fn warn(&self, text: impl AsRef<str>) {
        self.say(
            "warning",
            &style("warning: ").yellow().bold().for_stderr().to_string(),
            text.as_ref(),
        );
    }

    /// A command to try next.
    pub fn hint(&self, text: impl AsRef<str>) {
        self.say("hint", &style("hint: ").cyan().for_stderr().to_string(), text.as_ref());
    }

    /// Shows an error. This is never silent.
    pub fn error(&self, error: &CliError) {
        if self.format == Format::Json {
            let mut fields = Map::new();
            fields.insert("cause".into(), json!(error.cause));
            fields.insert("hint".into(), json!(error.hint));
            fields.insert("code".into(), json!(error.kind as u8));
            return self.json("error", &error.what, fields);
        }
        eprintln!("{}{}", style("error: ").red().bold().for_stderr(), error.what);
        if let Some(cause) = &error.cause {
            eprintln!("{}{}", style("cause: ").bold().for_stderr(), indent(cause));
        }
        if let Some(hint) = &error.hint {
            eprintln!("{}{hint}", style("hint: ").cyan().for_stderr());
        }
    }

    /// Writes data to stdout.
    ///
    /// # Errors
    /// When stdout cannot be written. A reader that went away (`| head`) is no error.
    pub fn data(&self, text: &str) -> Result<()> {
        let mut out = std::io::stdout().lock();
        let newline = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        match write!(out, "{text}{newline}").and_then(|()| out.flush()) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                Err(CliError::failed("cannot write to stdout").cause(&error))
            }
            _ => Ok(()),
        }
    }

    fn say(&self, level: &str, prefix: &str, text: &str) {
        match (self.quiet, self.format) {
            (true, _) => {}
            (_, Format::Json) => self.json(level, text, Map::new()),
            _ => eprintln!("{prefix}{text}"),
        }
    }

    fn json(&self, level: &str, message: &str, fields: Map<String, Value>) {
        let mut line = Map::new();
        line.insert("time".into(), json!(jiff::Timestamp::now().to_string()));
        line.insert("level".into(), json!(level));
        line.insert("message".into(), json!(message));
        line.extend(fields);
        eprintln!("{}", Value::Object(line));
    }
}

/// Continuation lines of a cause stand under its first one.
fn indent(text: &str) -> String {
    text.trim_end().replace('\n', "\n       ")
}

/// The log is for `-v` and for the forwarder; without `-v` it stays off.
fn start_log(verbosity: u8, format: Format, color: bool) {
    let filter = match verbosity {
        0 => return,
        1 => "vcluster=debug",
        2 => "vcluster=trace,kube=debug,kube_client=debug",
        _ => "trace",
    };
    let log = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(filter))
        .with_writer(std::io::stderr)
        .with_ansi(color);
    // Only the first call counts; a second one in the same process (tests) changes nothing.
    let _ = match format {
        Format::Json => log.json().try_init(),
        _ => log.with_target(false).try_init(),
    };
}
