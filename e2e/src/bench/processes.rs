//! What processes cost, from `/proc`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

/// Processes by the name of what they belong to.
#[derive(Debug, Clone, Default)]
pub struct Census(pub BTreeMap<String, Vec<i32>>);

/// CPU seconds used so far.
#[derive(Debug, Clone, Default)]
pub struct Usage {
    /// By name in the census.
    pub seconds: BTreeMap<String, f64>,
    /// By everything on the machine.
    machine: f64,
}

/// Memory in MB (1000 kB of the kernel's, which has 1024 bytes each).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Memory {
    /// Resident, pages of files included.
    pub resident: f64,
    /// Resident and backed by no file.
    pub anonymous: f64,
    /// The most that ever was resident.
    pub peak: f64,
}

impl Census {
    /// Adds processes.
    pub fn add(&mut self, name: impl Into<String>, pids: impl IntoIterator<Item = i32>) {
        self.0.entry(name.into()).or_default().extend(pids);
    }

    /// What they have used so far. One that ended counts as nothing.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn usage(&self) -> Result<Usage> {
        let tick = 1.0 / ticks_per_second();
        let seconds = |pids: &Vec<i32>| -> f64 {
            pids.iter().filter_map(|pid| parse_ticks(&read(*pid, "stat").ok()?)).sum::<f64>() * tick
        };
        let machine = std::fs::read_to_string("/proc/stat").context("cannot read /proc/stat")?;
        Ok(Usage {
            seconds: self.0.iter().map(|(name, pids)| (name.clone(), seconds(pids))).collect(),
            machine: parse_machine(&machine).context("/proc/stat is not as expected")? * tick,
        })
    }

    /// The memory of all processes of that name.
    pub fn memory(&self, name: &str) -> Memory {
        let pids = self.0.get(name).into_iter().flatten();
        pids.filter_map(|pid| Some(parse_memory(&read(*pid, "status").ok()?))).fold(
            Memory::default(),
            |sum, one| Memory {
                resident: sum.resident + one.resident,
                anonymous: sum.anonymous + one.anonymous,
                peak: sum.peak + one.peak,
            },
        )
    }
}

impl Usage {
    /// What was used since an earlier look, by name.
    pub fn since(&self, earlier: &Usage) -> BTreeMap<String, f64> {
        let before = |name: &str| earlier.seconds.get(name).copied().unwrap_or_default();
        self.seconds.iter().map(|(name, now)| (name.clone(), now - before(name))).collect()
    }

    /// What was used since an earlier look by processes that are not in the census.
    pub fn others_since(&self, earlier: &Usage) -> f64 {
        let known: f64 = self.since(earlier).values().sum();
        (self.machine - earlier.machine - known).max(0.0)
    }
}

/// The size of a process's program file, in MB of a million bytes.
///
/// # Errors
/// When the process is gone.
pub fn program_size(pid: i32) -> Result<f64> {
    // The link leads to the file even when it lies in another mount namespace.
    let file = PathBuf::from(format!("/proc/{pid}/exe"));
    let size = std::fs::metadata(&file)
        .with_context(|| format!("cannot follow {}", file.display()))?
        .len();
    Ok(size as f64 / 1e6)
}

/// The average number of processes that ran or wanted to, over the last minute.
pub fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or_default()
}

fn read(pid: i32, file: &str) -> std::io::Result<String> {
    std::fs::read_to_string(format!("/proc/{pid}/{file}"))
}

fn ticks_per_second() -> f64 {
    rustix::param::clock_ticks_per_second() as f64
}

/// `proc_pid_stat(5)`: fields 14 and 15 are the time in user mode and in the kernel, of all threads.
fn parse_ticks(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let kernel: f64 = fields.next()?.parse().ok()?;
    Some(user + kernel)
}

/// `proc_stat(5)`: all but idle and waiting for disks, of all processors. Guests are part of user time.
fn parse_machine(stat: &str) -> Option<f64> {
    let line = stat.lines().find(|line| line.starts_with("cpu "))?;
    let fields: Vec<f64> =
        line.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
    let [user, nice, system, _idle, _waiting, irq, softirq, ..] = fields.as_slice() else {
        return None;
    };
    Some(user + nice + system + irq + softirq)
}

fn parse_memory(status: &str) -> Memory {
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<f64>().ok()
    };
    let megabytes = |name| field(name).unwrap_or_default() * 1024.0 / 1e6;
    Memory {
        resident: megabytes("VmRSS:"),
        anonymous: megabytes("RssAnon:"),
        peak: megabytes("VmHWM:"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_past_any_name() {
        let stat = "42 (a) b) S 1 42 42 0 -1 4194560 1 0 0 0 30 12 0 0 20 0 1 0 7777 1 2 3";
        assert_eq!(parse_ticks(stat), Some(42.0));
        assert_eq!(parse_machine("cpu  1 2 3 100 50 4 5 0 0 0\ncpu0 9 9"), Some(15.0));
    }

    #[test]
    fn memory_is_in_megabytes() {
        let status = "Name:\tx\nVmHWM:\t  3000 kB\nVmRSS:\t  2000 kB\nRssAnon:\t 1000 kB\n";
        let memory = parse_memory(status);
        assert_eq!((memory.peak, memory.resident, memory.anonymous), (3.072, 2.048, 1.024));
    }

    #[test]
    fn this_process_costs_something() {
        let mut census = Census::default();
        census.add("me", [std::process::id() as i32]);
        assert!(census.memory("me").resident > 0.5);
        let first = census.usage().unwrap();
        assert!(census.usage().unwrap().others_since(&first) >= 0.0);
    }
}
