//! Joins two upgraded connections: bytes pass as they are, in both directions.

use std::io;
use std::pin::pin;
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, copy, split};

/// After the host has closed, nothing can come from it any more; the client gets this long to close too.
const LINGER: Duration = Duration::from_secs(30);

/// Runs for as long as the stream does.
pub(super) async fn relay(client: OnUpgrade, host: OnUpgrade) {
    match tokio::try_join!(client, host) {
        Ok((client, host)) => join(TokioIo::new(client), TokioIo::new(host)).await,
        Err(error) => tracing::debug!(%error, "stream was not opened"),
    }
}

/// A client that has said all still gets what the host says; an error on either side ends both.
pub(crate) async fn join<C, H>(client: C, host: H)
where
    C: AsyncRead + AsyncWrite,
    H: AsyncRead + AsyncWrite,
{
    let (from_client, to_client) = split(client);
    let (from_host, to_host) = split(host);
    let mut up = pin!(pass(from_client, to_host, "to the host"));
    let mut down = pin!(pass(from_host, to_client, "to the client"));
    tokio::select! {
        sent = &mut up => if sent.is_ok() {
            let _logged = down.await;
        },
        received = &mut down => if received.is_ok() && tokio::time::timeout(LINGER, up).await.is_err() {
            tracing::debug!("the client left its end open");
        },
    }
}

async fn pass<R, W>(mut from: R, mut to: W, direction: &'static str) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let passed = async {
        let bytes = copy(&mut from, &mut to).await?;
        to.shutdown().await?;
        Ok(bytes)
    };
    match passed.await {
        Ok(bytes) => {
            tracing::debug!(direction, bytes, "stream ended");
            Ok(())
        }
        Err(error) => {
            tracing::debug!(direction, %error, "stream broke off");
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, DuplexStream, duplex};
    use tokio::task::JoinHandle;

    use super::*;

    fn joined() -> (DuplexStream, DuplexStream, JoinHandle<()>) {
        let (client, client_end) = duplex(64);
        let (host, host_end) = duplex(64);
        (client, host, tokio::spawn(join(client_end, host_end)))
    }

    async fn rest(mut stream: impl AsyncRead + Unpin) -> String {
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn a_client_that_has_said_all_still_gets_the_answer() {
        let (mut client, mut host, relay) = joined();
        client.write_all(b"question").await.unwrap();
        client.shutdown().await.unwrap();
        let mut heard = [0; 8];
        host.read_exact(&mut heard).await.unwrap();
        assert_eq!(host.read(&mut [0; 1]).await.unwrap(), 0, "the end was not passed on");
        host.write_all(b"answer").await.unwrap();
        drop(host);
        assert_eq!(rest(client).await, "answer");
        relay.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_never_closes_is_left_after_a_while() {
        let (client, mut host, relay) = joined();
        host.write_all(b"bye").await.unwrap();
        drop(host);
        let (mut read, _write) = split(client);
        let mut heard = [0; 3];
        read.read_exact(&mut heard).await.unwrap();
        relay.await.unwrap();
    }

    #[tokio::test]
    async fn a_lot_of_bytes_arrive_unchanged() {
        let (client, host, relay) = joined();
        let sent: String = (0..20_000).map(|n| format!("{n},")).collect();
        let (mut host_read, mut host_write) = split(host);
        let echo = async move {
            copy(&mut host_read, &mut host_write).await.unwrap();
            host_write.shutdown().await.unwrap();
        };
        let (client_read, mut client_write) = split(client);
        let send = async {
            client_write.write_all(sent.as_bytes()).await.unwrap();
            client_write.shutdown().await.unwrap();
        };
        let ((), (), heard) = tokio::join!(echo, send, rest(client_read));
        assert!(heard == sent);
        relay.await.unwrap();
    }
}
