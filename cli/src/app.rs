//! What every command gets: settings, a way to talk, and the news of Ctrl-C.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use crate::error::{CliError, Kind};
use crate::settings::Settings;
use crate::ui::Ui;

/// Handed to every command.
#[derive(Clone, Debug)]
pub struct App {
    /// Resolved flags and environment.
    pub settings: Settings,
    /// The way to talk to the user.
    pub ui: Ui,
    /// Ctrl-C.
    pub interrupt: Interrupt,
}

/// Ctrl-C ends the program at once, except for the few places that first have to leave things in order: they claim it,
/// wait for it and end by themselves. A second Ctrl-C ends those too.
#[derive(Clone, Debug)]
pub struct Interrupt {
    raised: Arc<watch::Sender<bool>>,
    claims: Arc<AtomicUsize>,
    advice: Arc<Mutex<Option<String>>>,
}

/// Held by a place that handles Ctrl-C itself.
#[derive(Debug)]
pub struct Claim {
    claims: Arc<AtomicUsize>,
    raised: watch::Receiver<bool>,
}

impl Interrupt {
    /// Not raised, not claimed.
    pub fn new() -> Self {
        Self {
            raised: Arc::new(watch::Sender::new(false)),
            claims: Arc::default(),
            advice: Arc::default(),
        }
    }

    /// Tells claimers; answers whether there is one.
    pub fn raise(&self) -> bool {
        self.raised.send_replace(true);
        self.claims.load(Ordering::SeqCst) > 0
    }

    /// Whether Ctrl-C was pressed already.
    pub fn raised(&self) -> bool {
        *self.raised.borrow()
    }

    /// Takes over the handling until the claim is dropped.
    pub fn claim(&self) -> Claim {
        self.claims.fetch_add(1, Ordering::SeqCst);
        Claim { claims: Arc::clone(&self.claims), raised: self.raised.subscribe() }
    }

    /// What to tell the user who presses Ctrl-C from now on: how to go on or clean up.
    pub fn advise(&self, advice: impl Into<String>) {
        if let Ok(mut slot) = self.advice.lock() {
            *slot = Some(advice.into());
        }
    }

    /// The error that an interrupted command ends with.
    pub fn error(&self) -> CliError {
        let error = CliError::new(Kind::Interrupted, "interrupted");
        match self.advice.lock().ok().and_then(|advice| advice.clone()) {
            Some(advice) => error.hint(advice),
            None => error,
        }
    }
}

impl Claim {
    /// Returns when Ctrl-C was pressed.
    pub async fn raised(&mut self) {
        // The sender lives as long as the program.
        let _ = self.raised.wait_for(|raised| *raised).await;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.claims.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_claim_is_told_and_given_back() {
        let interrupt = Interrupt::new();
        let mut claim = interrupt.claim();
        assert!(interrupt.raise());
        claim.raised().await;
        drop(claim);
        assert!(!interrupt.raise());
    }

    #[test]
    fn the_last_advice_is_the_hint() {
        let interrupt = Interrupt::new();
        assert!(interrupt.error().hint.is_none());
        interrupt.advise("vcluster create a");
        interrupt.advise("vcluster delete a");
        assert_eq!(interrupt.error().hint.as_deref(), Some("vcluster delete a"));
    }
}
