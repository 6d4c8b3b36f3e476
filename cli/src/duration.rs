//! Durations on the command line: `5m`, `90s`, `1h30m`.

use std::time::Duration;

use jiff::SignedDuration;

/// Parses a duration that is not negative; a bare number is seconds.
///
/// # Errors
/// A sentence with an example.
pub fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a duration such as 5m or 90s");
    if let Ok(seconds) = text.parse::<u32>() {
        return Ok(Duration::from_secs(seconds.into()));
    }
    let duration: SignedDuration = text.parse().map_err(|_| wrong())?;
    Duration::try_from(duration).map_err(|_| wrong())
}

/// The largest unit that divides it evenly enough to be read.
pub fn show(duration: Duration) -> String {
    match duration.as_secs() {
        seconds if seconds >= 60 && seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gos_spellings_are_understood() {
        for (text, seconds) in
            [("5m", 300), ("90s", 90), ("1h30m", 5400), ("45", 45), ("0", 0), ("2m30s", 150)]
        {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "-5s", "five", "5 parsecs", "-1"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(show(Duration::from_secs(300)), "5 min");
        assert_eq!(show(Duration::from_secs(90)), "90 s");
    }
}
