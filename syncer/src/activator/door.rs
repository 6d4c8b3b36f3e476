//! Connections that come while the virtual cluster sleeps, or starts.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};

use super::plane::Plane;

/// Connections that are held or carried at once. Each takes some kilobytes.
const CONNECTIONS: usize = 256;

/// How long a client may take to say hello.
const HELLO_WITHIN: Duration = Duration::from_secs(10);

/// The first byte of what every TLS client says first: a handshake record (RFC 8446, 5.1).
const HANDSHAKE: u8 = 22;

/// How long a connection is held until the API server is ready.
const HOLD: Duration = Duration::from_secs(300);

/// Between two looks.
const LOOK: Duration = Duration::from_millis(200);

/// Serves for as long as the program runs.
pub async fn serve(listener: TcpListener, plane: Arc<Plane>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        // Who comes when all places are taken waits in the kernel's queue.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((client, from)) => {
                let plane = Arc::clone(&plane);
                tokio::spawn(async move {
                    match one(client, from, &plane).await {
                        Ok(()) => tracing::debug!(%from, "ended"),
                        Err(error) => {
                            tracing::warn!(%from, error = format!("{error:#}"), "dropped")
                        }
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(LOOK).await;
            }
        }
    }
}

async fn one(mut client: TcpStream, from: SocketAddr, plane: &Plane) -> anyhow::Result<()> {
    // Load balancers and probes connect and say nothing: they wake nobody.
    let mut first = [0];
    match timeout(HELLO_WITHIN, client.peek(&mut first)).await {
        Ok(Ok(1)) if first == [HANDSHAKE] => {}
        _ => return Ok(()),
    }
    let began = Instant::now();
    let mut asked = false;
    let (mut server, address) = loop {
        let trouble = match plane.address().await {
            Ok(Some(address)) => match TcpStream::connect(address).await {
                Ok(server) => break (server, address),
                Err(error) => anyhow::Error::from(error),
            },
            Ok(None) if !asked => match plane.wake().await {
                Ok(true) => {
                    tracing::info!(%from, "somebody is at the door");
                    asked = true;
                    continue;
                }
                Ok(false) => {
                    let name = &plane.name;
                    anyhow::bail!("a person paused the virtual cluster: vcluster resume {name}");
                }
                Err(error) => error.into(),
            },
            Ok(None) => anyhow::anyhow!("its API server is not ready"),
            Err(error) => error.into(),
        };
        if began.elapsed() > HOLD {
            return Err(trouble);
        }
        sleep(LOOK).await;
    };
    tracing::info!(%from, %address, milliseconds = began.elapsed().as_millis(), "let in");
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    // Either side's end is a normal way for a connection to end.
    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
    Ok(())
}
