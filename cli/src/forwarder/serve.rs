//! Listening, and carrying every connection.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use super::stream::carry;
use super::target::Target;
use crate::error::{CliError, Kind, Result, chain};

/// The ports that are tried when none is asked for.
const PORTS: std::ops::Range<u16> = 10_000..13_000;

/// How long a new connection is held while the pod or the host is away.
const HOLD: Duration = Duration::from_secs(30);

/// How often a forwarder looks whether its virtual cluster still exists.
const LOOK: Duration = Duration::from_secs(600);

/// An open port.
pub struct Listening {
    listener: TcpListener,
    /// Where it is.
    pub at: SocketAddr,
}

/// Opens the port asked for, or the preferred one, or any free one of the range.
///
/// # Errors
/// When the port asked for is taken, or all are, or the address is not one of this machine.
pub async fn listen(address: IpAddr, port: Option<u16>, prefer: Option<u16>) -> Result<Listening> {
    let mut last = None;
    for port in candidates(port, prefer, std::process::id()) {
        match TcpListener::bind((address, port)).await {
            Ok(listener) => {
                let at = listener.local_addr().unwrap_or(SocketAddr::new(address, port));
                return Ok(Listening { listener, at });
            }
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => last = Some(error),
            Err(error) => {
                return Err(CliError::failed(format!("cannot listen on {address}")).cause(&error));
            }
        }
    }
    let text =
        port.map_or_else(|| format!("all ports from {PORTS:?}"), |port| format!("port {port}"));
    let error = CliError::new(Kind::Conflict, format!("{text} of {address} in use"));
    Err(match last {
        Some(cause) => error.cause(&cause),
        None => error,
    })
}

/// The ports to try in turn. Two forwarders that start together begin at different places.
fn candidates(port: Option<u16>, prefer: Option<u16>, seed: u32) -> Vec<u16> {
    if let Some(port) = port {
        return vec![port];
    }
    let count = PORTS.len();
    let first = (seed as usize).wrapping_mul(7919) % count;
    let range = (0..count).filter_map(|step| PORTS.clone().nth((first + step) % count));
    prefer.into_iter().chain(range).collect()
}

/// Carries connections until the virtual cluster is gone for good. Never returns while it exists.
pub async fn serve(listening: Listening, target: Arc<Target>) {
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    look.tick().await;
    let mut absent = 0;
    loop {
        tokio::select! {
            accepted = listening.listener.accept() => match accepted {
                Ok((client, from)) => {
                    tokio::spawn(one(client, from, Arc::clone(&target)));
                }
                Err(error) => {
                    // Out of file descriptors, most likely; others will be closed soon.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            },
            _ = look.tick() => {
                // Twice in a row, in case it is just being made again.
                absent = if target.gone().await { absent + 1 } else { 0 };
                if absent == 2 {
                    tracing::info!("the virtual cluster does not exist any more");
                    return;
                }
            }
        }
    }
}

async fn one(client: TcpStream, from: SocketAddr, target: Arc<Target>) {
    // Small writes (watch events) must not wait for each other.
    let _ = client.set_nodelay(true);
    tracing::debug!(%from, "connected");
    match carry(client, || target.open(), HOLD).await {
        Ok(()) => tracing::debug!(%from, "ended"),
        Err(error) => tracing::warn!(%from, error = chain(&error), "dropped"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_port_of_the_range_is_tried_once() {
        let ports = candidates(None, Some(10_500), 42);
        assert_eq!(ports.first(), Some(&10_500));
        assert_eq!(ports.len(), 3001);
        let mut sorted = ports.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted, (10_000..13_000).collect::<Vec<u16>>());
        assert_eq!(candidates(Some(4), Some(5), 1), [4]);
        assert_ne!(candidates(None, None, 1).first(), candidates(None, None, 2).first());
    }

    #[tokio::test]
    async fn a_taken_port_is_passed_over_or_reported() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = taken.local_addr().unwrap().port();
        let loopback = IpAddr::from([127, 0, 0, 1]);
        let other = listen(loopback, None, Some(port)).await.unwrap();
        assert_ne!(other.at.port(), port);
        let error = listen(loopback, Some(port), None).await.map(|it| it.at).unwrap_err();
        assert_eq!(error.kind, Kind::Conflict);
    }
}
