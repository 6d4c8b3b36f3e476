//! How many keys' writes may be under way at once.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Keys whose writes may be under way at once. Each holds a connection to each API server, of 48 kB. A burst is over after the
/// same time with 16, 32 or 64, since the servers are what it waits for; with 32 half of 1000 pods ran after 6.5 s instead
/// of 12, and the syncer had 3 MB more.
const MOST: usize = 16;

/// A flight that takes longer makes room for the next: where one resource of an API server hangs, the others go on.
const SLOW: Duration = Duration::from_secs(3);

/// Keys whose writes may be under way at once, with the slow ones.
const MOST_WITH_SLOW: usize = 64;

/// Places for those under way.
pub struct Flights {
    quick: Arc<Semaphore>,
    all: Arc<Semaphore>,
}

/// A place, for as long as this lives.
pub struct Place {
    quick: OwnedSemaphorePermit,
    any: OwnedSemaphorePermit,
}

impl Flights {
    /// All places are free.
    pub fn new() -> Flights {
        Flights {
            quick: Arc::new(Semaphore::new(MOST)),
            all: Arc::new(Semaphore::new(MOST_WITH_SLOW)),
        }
    }

    /// Waits for a place.
    pub async fn place(&self) -> Place {
        let any = Arc::clone(&self.all).acquire_owned().await;
        let quick = Arc::clone(&self.quick).acquire_owned().await;
        match (any, quick) {
            (Ok(any), Ok(quick)) => Place { quick, any },
            // Nobody closes them.
            _ => std::future::pending().await,
        }
    }

    /// Waits until nobody is under way, but not for ever.
    pub async fn land(&self, longest: Duration) {
        let all = u32::try_from(MOST_WITH_SLOW).unwrap_or(u32::MAX);
        let _landed = timeout(longest, self.all.acquire_many(all)).await;
    }
}

impl Place {
    /// Does something that takes up the place.
    pub async fn take(self, flight: impl Future<Output = ()>) {
        let mut flight = pin!(flight);
        if timeout(SLOW, &mut flight).await.is_err() {
            drop(self.quick);
            flight.await;
        }
        drop(self.any);
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_is_slow_makes_room_but_not_without_end() {
        let flights = Flights::new();
        let began = tokio::time::Instant::now();
        for _ in 0..MOST_WITH_SLOW {
            let place = flights.place().await;
            tokio::spawn(place.take(pending()));
        }
        let rounds = u32::try_from(MOST_WITH_SLOW / MOST - 1).unwrap();
        assert!(began.elapsed() >= SLOW * rounds && began.elapsed() < SLOW * (rounds + 1));
        assert!(timeout(SLOW * 2, flights.place()).await.is_err(), "these are the most");
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_is_free_again_after_its_flight() {
        let flights = Flights::new();
        for _ in 0..MOST_WITH_SLOW * 2 {
            flights.place().await.take(async {}).await;
        }
        flights.land(SLOW).await;
        assert_eq!(flights.all.available_permits(), MOST_WITH_SLOW);
    }
}
