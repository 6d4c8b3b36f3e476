//! Rules about the copy of SQLite elsewhere.

use std::time::Duration;

use crate::problem::Problem;
use crate::{Config, ReplicaS3, Replication, StoreKind};

/// More often would be a request that waits for the one before it.
const SOONEST: Duration = Duration::from_millis(100);

pub(super) fn check(config: &Config, problems: &mut Vec<Problem>) {
    let store = &config.control_plane.backing_store;
    let replication = &store.database.embedded.replication;
    if !replication.enabled {
        return;
    }
    let distro = config.control_plane.distro.kind();
    if store.kind() != StoreKind::Sqlite {
        let other = store.enabled().into_iter().find(|key| *key != "database.embedded");
        let message = format!(
            "only SQLite can be copied, and the store is {}",
            other.unwrap_or("another one")
        );
        problems.push(
            Problem::error(at("enabled"), message)
                .hint("leave it out: such a store has replicas or backups of its own"),
        );
    } else if distro.is_one_program() {
        let message = format!(
            "{} has a kine of its own, which writes to the file as if nobody copied it",
            distro.key()
        );
        problems
            .push(Problem::error(at("enabled"), message).hint("take the distribution k8s or eks"));
    }
    place(&replication.s3, problems);
    times(replication, problems);
}

fn at(key: &str) -> String {
    format!("controlPlane.backingStore.database.embedded.replication.{key}")
}

fn place(s3: &ReplicaS3, problems: &mut Vec<Problem>) {
    if s3.bucket.is_empty() {
        problems.push(Problem::error(at("s3.bucket"), "nothing says where the copy goes"));
    } else if s3.bucket.contains('/') {
        let message = format!("{:?} is not the name of a bucket", s3.bucket);
        problems.push(
            Problem::error(at("s3.bucket"), message)
                .hint("a folder in it is s3.path, another address than Amazon's s3.endpoint"),
        );
    }
    if s3.path.starts_with('/') || s3.path.split('/').any(|part| part == "..") {
        let message = format!("{:?} is not a folder such as team-x/my-vc", s3.path);
        problems.push(Problem::error(at("s3.path"), message));
    }
    if s3.endpoint.starts_with("http://") {
        let message = "without TLS, whoever sees the traffic has every secret";
        problems.push(Problem::warning(at("s3.endpoint"), message));
    } else if !s3.endpoint.is_empty() && !s3.endpoint.starts_with("https://") {
        let message = format!("{:?} is not an address such as https://10.0.0.1:9000", s3.endpoint);
        problems.push(Problem::error(at("s3.endpoint"), message));
    }
}

fn times(replication: &Replication, problems: &mut Vec<Problem>) {
    let mut time = |key: &str, text: &str, least: Duration| match duration(text) {
        Some(time) if time >= least => Some(time),
        Some(_) => {
            let message = format!("{text} is less than {} ms", least.as_millis());
            problems.push(Problem::error(at(key), message));
            None
        }
        None => {
            let message = format!("{text:?} is not a duration such as 1s or 1h30m");
            problems.push(Problem::error(at(key), message));
            None
        }
    };
    let minute = Duration::from_secs(60);
    time("syncInterval", &replication.sync_interval, SOONEST);
    let interval = time("snapshots.interval", &replication.snapshots.interval, minute);
    let retention = time("snapshots.retention", &replication.snapshots.retention, minute);
    if let (Some(interval), Some(retention)) = (interval, retention)
        && retention < interval
    {
        let message = "the last snapshot would be gone before the next one is made";
        problems.push(
            Problem::error(at("snapshots.retention"), message)
                .hint("keep them for longer than snapshots.interval"),
        );
    }
}

/// A duration as Go's `time.ParseDuration` reads it, which is what Litestream does: numbers with units, in whole
/// milliseconds and up.
fn duration(text: &str) -> Option<Duration> {
    let (mut rest, mut sum) = (text, Duration::ZERO);
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let unit = match unit {
            "ms" => Duration::from_millis(1),
            "s" => Duration::from_secs(1),
            "m" => Duration::from_secs(60),
            "h" => Duration::from_secs(60 * 60),
            _ => return None,
        };
        sum = sum.checked_add(unit.checked_mul(number.parse().ok()?)?)?;
        rest = after;
    }
    (!text.is_empty()).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_go() {
        assert_eq!(duration("1h30m"), Some(Duration::from_secs(5400)));
        assert_eq!(duration("1s500ms"), Some(Duration::from_millis(1500)));
        for wrong in ["", "1", "s", "1 s", "1.5s", "1d", "-1s", "1h 30m", "99999999999999999999h"] {
            assert_eq!(duration(wrong), None, "{wrong:?}");
        }
        assert_eq!(
            duration("99999999h99999999h"),
            Some(Duration::from_secs(2 * 99_999_999 * 3600))
        );
    }
}
