//! What happens to one pod, and when.

use std::time::Duration;

/// Something that happens to a pod once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Milestone {
    /// The client sent the request to create it.
    Sent,
    /// The virtual cluster tells that it is there.
    InsideSeen,
    /// The host tells that it is there.
    HostSeen,
    /// The host tells that it is bound to a node.
    HostBound,
    /// The host tells that it runs.
    HostRunning,
    /// The virtual cluster tells that it is bound to a node.
    InsideBound,
    /// The virtual cluster tells that it runs.
    InsideRunning,
    /// The client sent the request to delete it.
    DeleteSent,
    /// The host tells that it is being deleted.
    HostLeaving,
    /// The host tells that it is gone.
    HostGone,
    /// The virtual cluster tells that it is gone.
    InsideGone,
}

/// How many milestones there are.
pub const MILESTONES: usize = 11;

/// When a pod's milestones were, since the observer began.
#[derive(Debug, Clone, Copy, Default)]
pub struct Life([Option<Duration>; MILESTONES]);

impl Life {
    /// When this happened.
    pub fn at(&self, milestone: Milestone) -> Option<Duration> {
        self.0.get(milestone as usize).copied().flatten()
    }

    /// Notes that this happened, unless it did before. Says whether it is news.
    pub fn mark(&mut self, milestone: Milestone, at: Duration) -> bool {
        match self.0.get_mut(milestone as usize) {
            Some(slot @ None) => {
                *slot = Some(at);
                true
            }
            _ => false,
        }
    }

    /// The time from one milestone to another, in seconds; below zero when they came the other way round.
    pub fn leg(&self, from: Milestone, to: Milestone) -> Option<f64> {
        Some(self.at(to)?.as_secs_f64() - self.at(from)?.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_time_counts() {
        let mut life = Life::default();
        assert!(life.mark(Milestone::Sent, Duration::from_secs(1)));
        assert!(!life.mark(Milestone::Sent, Duration::from_secs(2)));
        assert!(life.mark(Milestone::InsideGone, Duration::from_secs(4)));
        assert_eq!(life.leg(Milestone::Sent, Milestone::InsideGone), Some(3.0));
        assert_eq!(life.leg(Milestone::Sent, Milestone::HostSeen), None);
    }
}
