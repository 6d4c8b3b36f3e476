//! What the figures should be.

use super::sheet::{Sheet, Subject};

/// A goal for one figure of the virtual cluster.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    /// Not more than this.
    AtMost(f64),
    /// Not less than this.
    AtLeast(f64),
    /// Not more than so many times the bare host's, in the same run.
    OfBare(f64),
    /// Not more than so many times the bare host's, or the null syncer's.
    OfBareOrNull(f64, f64),
}

impl Goal {
    /// Whether a figure meets it; nothing when what it is compared with was not measured.
    pub fn met(self, sheet: &Sheet, figure: &str) -> Option<bool> {
        let value = sheet.median(figure, Subject::Vcluster)?;
        let within = |of: Subject, times: f64| Some(value <= sheet.median(figure, of)? * times);
        match self {
            Goal::AtMost(limit) => Some(value <= limit),
            Goal::AtLeast(limit) => Some(value >= limit),
            Goal::OfBare(times) => within(Subject::Bare, times),
            Goal::OfBareOrNull(bare, null) => {
                match (within(Subject::Bare, bare), within(Subject::Null, null)) {
                    (Some(true), _) | (_, Some(true)) => Some(true),
                    (None, None) => None,
                    _ => Some(false),
                }
            }
        }
    }
}

impl std::fmt::Display for Goal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Goal::AtMost(limit) => write!(f, "<= {limit}"),
            Goal::AtLeast(limit) => write!(f, ">= {limit}"),
            Goal::OfBare(times) => write!(f, "<= {times}x bare"),
            Goal::OfBareOrNull(bare, null) => write!(f, "<= {bare}x bare or {null}x null"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_can_be_met_against_either() {
        let mut sheet = Sheet::default();
        let goal = Goal::OfBareOrNull(1.5, 1.1);
        sheet.add("x", Subject::Vcluster, 20.0);
        assert_eq!(goal.met(&sheet, "x"), None);
        sheet.add("x", Subject::Bare, 10.0);
        assert_eq!(goal.met(&sheet, "x"), Some(false));
        sheet.add("x", Subject::Null, 19.0);
        assert_eq!(goal.met(&sheet, "x"), Some(true));
        assert_eq!(Goal::AtMost(19.0).met(&sheet, "x"), Some(false));
        assert_eq!(Goal::AtLeast(19.0).met(&sheet, "x"), Some(true));
    }
}
