//! One process, several programs: first ours, which waits or prepares, then the one that stays.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::Context as _;

/// Becomes a program, with its arguments. Returns only when that fails, or there is none.
///
/// # Errors
/// When it cannot be started.
pub fn turn_into(program: &[OsString]) -> anyhow::Result<()> {
    let Some((program, arguments)) = program.split_first() else { return Ok(()) };
    let error = Command::new(program).args(arguments).exec();
    Err(error).with_context(|| format!("{} cannot be started", program.display()))
}
