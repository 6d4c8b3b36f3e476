//! Connections that come while the virtual cluster sleeps, or starts.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};

use super::plane::Plane;
use crate::kubelet::join;
use crate::sockets::{accept, settle};

/// Connections that are held or carried at once. Each takes some kilobytes.
const CONNECTIONS: usize = 256;

/// Connections that have not said hello yet. Others wait in the kernel's queue meanwhile, so this does not last long.
const SILENT: usize = 256;

/// How long a client may take to say hello.
const HELLO_WITHIN: Duration = Duration::from_secs(5);

/// The first byte of what every TLS client says first: a handshake record (RFC 8446, 5.1).
const HANDSHAKE: u8 = 22;

/// How long a connection is held until the API server is ready.
const HOLD: Duration = Duration::from_secs(300);

/// Between two looks.
const LOOK: Duration = Duration::from_millis(200);

/// Serves for as long as the program runs.
pub async fn serve(listener: TcpListener, plane: Arc<Plane>) {
    let hellos = Arc::new(Semaphore::new(SILENT));
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(hello) = Arc::clone(&hellos).acquire_owned().await else { return };
        let (client, from) = accept(&listener, "door").await;
        let (plane, places) = (Arc::clone(&plane), Arc::clone(&places));
        tokio::spawn(async move {
            // Load balancers and probes connect and say nothing: they wake nobody, and take no place.
            if !says_hello(&client).await {
                return;
            }
            drop(hello);
            let Ok(_place) = places.try_acquire_owned() else {
                tracing::warn!(%from, "dropped: too many connections");
                return;
            };
            match one(client, from, &plane).await {
                Ok(()) => tracing::debug!(%from, "ended"),
                Err(error) => tracing::warn!(%from, error = format!("{error:#}"), "dropped"),
            }
        });
    }
}

async fn says_hello(client: &TcpStream) -> bool {
    let mut first = [0];
    let said = timeout(HELLO_WITHIN, client.peek(&mut first)).await;
    matches!(said, Ok(Ok(1))) && first == [HANDSHAKE]
}

async fn one(client: TcpStream, from: SocketAddr, plane: &Plane) -> anyhow::Result<()> {
    settle(&client)?;
    let began = Instant::now();
    let mut asked = false;
    let (server, address) = loop {
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
    settle(&server)?;
    // Until the server ends: a client may leave its end open, or be gone without a word.
    join(client, server).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    #[tokio::test]
    async fn only_who_speaks_tls_says_hello() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        for (words, expected) in
            [(&b"\x16\x03\x01"[..], true), (b"GET / HTTP/1.1", false), (b"", false)]
        {
            let mut client = TcpStream::connect(address).await.unwrap();
            let (server, _) = listener.accept().await.unwrap();
            client.write_all(words).await.unwrap();
            client.shutdown().await.unwrap();
            assert_eq!(says_hello(&server).await, expected, "{words:?}");
        }
    }
}
