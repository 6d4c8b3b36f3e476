//! When to sleep, and when to wake up. A pure function of the time and what was seen.

use cronexpr::Crontab;
use jiff::{SignedDuration, Timestamp};

/// How long until it is asked again, when it is not known how long nobody asked anything.
const UNKNOWN: SignedDuration = SignedDuration::from_secs(15);

/// Nothing is waited for longer: clocks are put right, and machines stop for a night.
const LONGEST: SignedDuration = SignedDuration::from_hours(1);

/// What the options say.
#[derive(Clone, Debug, Default)]
pub struct Rest {
    /// Sleep after so long without a request.
    pub after_inactivity: Option<SignedDuration>,
    /// Sleep at these times.
    pub sleep: Option<Crontab>,
    /// Wake up at these times.
    pub wake: Option<Crontab>,
}

/// How the virtual cluster is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It runs.
    Awake {
        /// For how long as far as we know: times of the schedule before are over.
        since: Timestamp,
        /// For how long nobody asked anything. None: it cannot be told.
        idle: Option<SignedDuration>,
    },
    /// It fell asleep by itself.
    Asleep {
        /// Then.
        since: Timestamp,
    },
    /// A person paused or scaled it.
    Paused,
}

/// Why it falls asleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Nobody asked anything for long enough.
    Inactivity,
    /// The schedule says so.
    Schedule,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Fall asleep.
    Sleep(Why),
    /// Wake up.
    Wake,
    /// Nothing, and to be asked again after so long, or earlier if something changes.
    Nothing(SignedDuration),
}

impl Rest {
    /// Decides.
    #[must_use]
    pub fn judge(&self, now: Timestamp, standing: Standing) -> Verdict {
        match standing {
            Standing::Paused => Verdict::Nothing(LONGEST),
            Standing::Asleep { since } => match until(self.wake.as_ref(), since, now) {
                Some(SignedDuration::ZERO) => Verdict::Wake,
                wait => nothing([wait, None]),
            },
            Standing::Awake { since, idle } => {
                let schedule = until(self.sleep.as_ref(), since, now);
                if schedule == Some(SignedDuration::ZERO) {
                    return Verdict::Sleep(Why::Schedule);
                }
                let idle = match (self.after_inactivity, idle) {
                    (Some(after), Some(idle)) if idle >= after => {
                        return Verdict::Sleep(Why::Inactivity);
                    }
                    (Some(after), Some(idle)) => Some(after.saturating_sub(idle)),
                    (Some(_), None) => Some(UNKNOWN),
                    (None, _) => None,
                };
                nothing([schedule, idle])
            }
        }
    }
}

fn nothing(waits: [Option<SignedDuration>; 2]) -> Verdict {
    Verdict::Nothing(waits.into_iter().flatten().min().unwrap_or(LONGEST).min(LONGEST))
}

/// How long until the first time of a schedule after `since`; zero when it is over.
fn until(schedule: Option<&Crontab>, since: Timestamp, now: Timestamp) -> Option<SignedDuration> {
    let next = schedule?.find_next(cronexpr::MakeTimestamp(since)).ok()?.timestamp();
    Some(next.duration_since(now).max(SignedDuration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: &str) -> Timestamp {
        format!("2026-08-03T{time}Z").parse().unwrap()
    }

    fn rest(after: Option<i64>, sleep: &str, wake: &str) -> Rest {
        let cron = |text: &str| (!text.is_empty()).then(|| cronexpr::parse_crontab(text).unwrap());
        Rest {
            after_inactivity: after.map(SignedDuration::from_mins),
            sleep: cron(sleep),
            wake: cron(wake),
        }
    }

    fn minutes(minutes: i64) -> SignedDuration {
        SignedDuration::from_mins(minutes)
    }

    #[test]
    fn it_sleeps_when_nobody_asked_for_long_enough() {
        let rest = rest(Some(30), "", "");
        let judge =
            |idle| rest.judge(at("10:00:00"), Standing::Awake { since: at("09:00:00"), idle });
        assert_eq!(judge(Some(minutes(30))), Verdict::Sleep(Why::Inactivity));
        assert_eq!(judge(Some(minutes(29))), Verdict::Nothing(minutes(1)));
        assert_eq!(judge(Some(minutes(0))), Verdict::Nothing(minutes(30)));
        assert_eq!(judge(None), Verdict::Nothing(UNKNOWN), "a syncer that is away is no reason");
    }

    #[test]
    fn it_sleeps_and_wakes_by_schedule_in_its_time_zone() {
        // In August Berlin is two hours ahead of UTC.
        let rest = rest(None, "0 20 * * * Europe/Berlin", "0 7 * * 1-5 Europe/Berlin");
        let awake = |since| Standing::Awake { since, idle: Some(SignedDuration::ZERO) };
        let asleep = |since| Standing::Asleep { since };
        let evening = Verdict::Sleep(Why::Schedule);
        for (now, standing, verdict) in [
            (
                at("17:59:30"),
                awake(at("05:00:00")),
                Verdict::Nothing(SignedDuration::from_secs(30)),
            ),
            (at("18:00:00"), awake(at("05:00:00")), evening),
            (at("18:05:00"), awake(at("05:00:00")), evening),
            (at("18:05:00"), awake(at("18:01:00")), Verdict::Nothing(LONGEST)),
            (at("04:59:00"), asleep(at("00:00:00")), Verdict::Nothing(minutes(1))),
            (at("05:00:00"), asleep(at("00:00:00")), Verdict::Wake),
            (at("09:00:00"), asleep(at("00:00:00")), Verdict::Wake),
        ] {
            assert_eq!(rest.judge(now, standing), verdict, "{now} {standing:?}");
        }
    }

    #[test]
    fn whichever_comes_first_counts() {
        let rest = rest(Some(30), "0 12 * * * UTC", "");
        let judge = |idle| {
            let standing = Standing::Awake { since: at("11:00:00"), idle: Some(minutes(idle)) };
            rest.judge(at("11:50:00"), standing)
        };
        assert_eq!(judge(0), Verdict::Nothing(minutes(10)));
        assert_eq!(judge(25), Verdict::Nothing(minutes(5)));
        assert_eq!(judge(30), Verdict::Sleep(Why::Inactivity));
    }

    #[test]
    fn what_a_person_paused_is_left_alone() {
        let rest = rest(Some(30), "* * * * * UTC", "* * * * * UTC");
        assert_eq!(rest.judge(at("11:50:00"), Standing::Paused), Verdict::Nothing(LONGEST));
    }
}
