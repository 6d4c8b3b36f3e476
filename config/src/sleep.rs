//! `sleep`

use cronexpr::{Crontab, FallbackTimezoneOption, ParseOptions, parse_crontab_with};
use jiff::SignedDuration;

use crate::control_plane::ApiServer;
use crate::problem::Problem;
use crate::scalars::Labels;
use crate::section::section;
use crate::{Config, DistroKind};

/// The API server tells of requests at most a second late, and a person needs a while to type the next one.
const LEAST: SignedDuration = SignedDuration::from_secs(10);

/// Flags of the API server that sleeping needs for itself.
const FLAGS: [&str; 2] = ["audit-policy-file", "audit-webhook-config-file"];

section! {
    /// When the virtual cluster sleeps: it has no control plane and no pods on the host, but keeps
    /// all data, as after `vcluster pause`.
    pub struct Sleep {
        /// Falls asleep and wakes up by itself.
        auto: AutoSleep = AutoSleep::default(),
    }
}

section! {
    /// Falls asleep and wakes up by itself. A small pod in the namespace holds the door meanwhile:
    /// the next connection to the API server wakes the virtual cluster, and waits until it is up.
    pub struct AutoSleep {
        /// Sleep after so long without a request, for example `90s`, `30m` or `1h30m`. Requests of
        /// the control plane itself and of service accounts in `kube-system` do not count; a shell,
        /// followed logs or a forwarded port count as long as they are open. Empty: never.
        after_inactivity: String = String::new(),
        /// Sleep at these times, as a cron expression: `0 20 * * 1-5`. Empty: never.
        schedule: String = String::new(),
        /// The time zone of the schedules, for example `Europe/Berlin`. Empty: UTC.
        timezone: String = String::new(),
        /// When to wake up without being asked.
        wakeup: Wakeup = Wakeup::default(),
        /// What goes on meanwhile.
        exclude: SleepExclusion = SleepExclusion::default(),
    }
}

section! {
    /// When to wake up without being asked.
    pub struct Wakeup {
        /// Wake up at these times, as a cron expression: `0 7 * * 1-5`. Empty: never.
        schedule: String = String::new(),
    }
}

section! {
    /// What goes on meanwhile.
    pub struct SleepExclusion {
        /// Pods that stay on the host while the virtual cluster sleeps.
        selector: SleepSelector = SleepSelector::default(),
    }
}

section! {
    /// Pods that stay on the host while the virtual cluster sleeps.
    pub struct SleepSelector {
        /// They have all of these labels. Empty: no pod stays.
        labels: Labels = Labels::new(),
    }
}

/// What [`AutoSleep`] asks for, in a form that can be worked with.
#[derive(Debug, Clone)]
pub struct Rest {
    /// Sleep after so long without a request.
    pub after_inactivity: Option<SignedDuration>,
    /// Sleep at these times.
    pub sleep: Option<Crontab>,
    /// Wake up at these times.
    pub wake: Option<Crontab>,
}

impl AutoSleep {
    /// Whether the virtual cluster ever falls asleep.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !self.after_inactivity.is_empty() || !self.schedule.is_empty()
    }

    /// Whether the API server must tell of requests.
    #[must_use]
    pub fn counts_requests(&self) -> bool {
        !self.after_inactivity.is_empty()
    }

    /// What is asked for.
    ///
    /// # Errors
    /// What is not in the right form, by key.
    pub fn rest(&self) -> Result<Rest, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut or_problem = |key: &str, result: Result<Option<Crontab>, String>| {
            result.unwrap_or_else(|message| {
                problems.push(Problem::error(format!("sleep.auto.{key}"), message));
                None
            })
        };
        let sleep = or_problem("schedule", cron(&self.schedule, ""));
        let wake = or_problem("wakeup.schedule", cron(&self.wakeup.schedule, ""));
        // Apart from the schedules, so that a wrong zone is not said to be a wrong schedule.
        let zone = cron("0 0 * * *", &self.timezone)
            .map_err(|_| format!("{:?} is not a time zone such as Europe/Berlin", self.timezone));
        or_problem("timezone", zone);
        let after_inactivity = duration(&self.after_inactivity).unwrap_or_else(|message| {
            problems.push(Problem::error("sleep.auto.afterInactivity", message));
            None
        });
        if !problems.is_empty() {
            return Err(problems);
        }
        let there = |schedule: &str, known: Option<Crontab>| {
            cron(schedule, &self.timezone).unwrap_or(known)
        };
        let (sleep, wake) = (there(&self.schedule, sleep), there(&self.wakeup.schedule, wake));
        Ok(Rest { after_inactivity, sleep, wake })
    }
}

pub(crate) fn check(config: &Config, problems: &mut Vec<Problem>) {
    let auto = &config.sleep.auto;
    problems.extend(auto.rest().err().unwrap_or_default());
    if auto.is_on() {
        surroundings(config, problems);
        distribution(config, problems);
    } else if !auto.wakeup.schedule.is_empty() {
        let message = "has no effect: the virtual cluster never falls asleep";
        problems.push(
            Problem::warning("sleep.auto.wakeup.schedule", message)
                .hint("set sleep.auto.afterInactivity or sleep.auto.schedule"),
        );
    }
}

/// What a virtual cluster that sleeps must have around its API server.
fn surroundings(config: &Config, problems: &mut Vec<Problem>) {
    if !config.control_plane.service.enabled {
        let message = "a request that wakes the virtual cluster comes through this Service";
        problems.push(
            Problem::error("controlPlane.service.enabled", message)
                .hint("leave it on, or leave sleep.auto out"),
        );
    }
}

/// The API server must be one that can be told to tell of requests, and whose own requests are known from a user's.
fn distribution(config: &Config, problems: &mut Vec<Problem>) {
    if !config.sleep.auto.counts_requests() {
        return;
    }
    let distro = &config.control_plane.distro;
    let kind = distro.kind();
    let (program, command, args) =
        match kind {
            DistroKind::K8s => api_server(&distro.k8s.api_server),
            DistroKind::Eks => api_server(&distro.eks.api_server),
            DistroKind::K3s => ("", &distro.k3s.command, &distro.k3s.extra_args),
            DistroKind::K0s => {
                let message =
                    "k0s makes requests of its own in the name of the administrator, as users do";
                problems.push(Problem::error("sleep.auto.afterInactivity", message).hint(
                    "put sleep.auto.schedule for it, or take the distribution k8s, eks or k3s",
                ));
                return;
            }
        };
    let at = |key: &str| format!("controlPlane.distro.{}.{program}{key}", kind.key());
    if !command.is_empty() {
        let message =
            "it gets no arguments from the chart, and so would not tell sleep.auto of requests";
        problems.push(
            Problem::error(at("command"), message)
                .hint("leave it out, or put sleep.auto.schedule for sleep.auto.afterInactivity"),
        );
    }
    for flag in FLAGS {
        if args.iter().any(|arg| flag_of(arg) == flag) {
            let message = format!("sleep.auto hears of requests through --{flag} of its own");
            problems.push(Problem::error(at("extraArgs"), message).hint("take one of the two out"));
        }
    }
}

/// An API server of its own: the part of its keys, its command and its further arguments.
fn api_server(server: &ApiServer) -> (&'static str, &Vec<String>, &Vec<String>) {
    ("apiServer.", &server.command, &server.extra_args)
}

/// The API server's flag that an argument sets, as k3s passes it on too.
fn flag_of(arg: &str) -> &str {
    let flag = arg.trim_start_matches("--").trim_start_matches("kube-apiserver-arg=");
    flag.split('=').next().unwrap_or_default()
}

fn duration(text: &str) -> Result<Option<SignedDuration>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let duration: SignedDuration =
        text.parse().map_err(|_| format!("{text:?} is not a duration such as 30m or 1h30m"))?;
    if duration < LEAST {
        return Err(format!("{text} is less than {} s", LEAST.as_secs()));
    }
    Ok(Some(duration))
}

fn cron(schedule: &str, zone: &str) -> Result<Option<Crontab>, String> {
    if schedule.is_empty() {
        return Ok(None);
    }
    let wrong =
        || format!("{schedule:?} is not a cron expression of five fields such as 0 20 * * 1-5");
    if schedule.split_whitespace().count() != 5 {
        return Err(wrong());
    }
    let mut options = ParseOptions::default();
    options.fallback_timezone_option = FallbackTimezoneOption::UTC;
    parse_crontab_with(&format!("{schedule} {zone}"), options).map(Some).map_err(|_| wrong())
}
