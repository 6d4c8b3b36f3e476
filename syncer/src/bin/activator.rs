//! What is left of a virtual cluster that sleeps ([`vcluster_syncer::activator`]).
//!
//! A program of its own, because whatever it does not need would be in memory with the rest: the kernel maps a program's
//! pages sixteen at a time. For the same reason it reads its arguments by itself and uses the C library's allocator.

use std::process::ExitCode;

use vcluster_syncer::activator::{self, Arguments};
use vcluster_syncer::logging::{self, LogFormat};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let variable = |name| std::env::var(name).unwrap_or_default();
    let format =
        if variable("SYNCER_LOG_FORMAT") == "json" { LogFormat::Json } else { LogFormat::Text };
    logging::init(format, "info")?;
    let arguments = Arguments::read(&std::env::args().nth(1).unwrap_or_default())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(activator::run(arguments))
}
