//! One connection: from a local client to the pod, over a link that may have to be opened several times.
//!
//! A new connection may come while the pod restarts or the host's API server is away. It is then held, and what the
//! client has said is said again on each new link until the pod has answered. That is safe because nobody can have acted
//! on it: a TLS client only says hello before it is answered.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::target::OpenError;

/// How much a client may say before it is answered; a TLS hello is far smaller.
const MOST_UNANSWERED: usize = 64 * 1024;

/// How long the pod may still talk after the client has ended.
const LINGER: Duration = Duration::from_secs(5);

/// How a connection ended without being answered.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The client's side broke.
    #[error("the client went away")]
    Client(#[source] std::io::Error),
    /// Opening failed until the patience was over, or for good.
    #[error("no link to the pod")]
    Link(#[source] OpenError),
    /// Links were opened and closed by the pod's side each time.
    #[error("the pod closes each connection; its API server is not up")]
    Refused,
    /// Nothing happened in time.
    #[error("no link to the pod in time")]
    Late,
}

/// Carries one connection until it ends.
///
/// # Errors
/// When the client was never answered.
pub async fn carry<C, S, O, F>(
    mut client: C,
    mut open: O,
    patience: Duration,
) -> Result<(), StreamError>
where
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
    O: FnMut() -> F,
    F: Future<Output = Result<S, OpenError>>,
{
    let start = Instant::now();
    let deadline = start + patience;
    let mut said = Vec::new();
    loop {
        let failure = match timeout_at(deadline, open()).await {
            Err(_) => return Err(StreamError::Late),
            Ok(Err(error)) if error.permanent() => return Err(StreamError::Link(error)),
            Ok(Err(error)) => StreamError::Link(error),
            Ok(Ok(mut pod)) => match first_answer(&mut client, &mut pod, &mut said).await {
                First::Answered => {
                    copy_both(client, pod).await;
                    return Ok(());
                }
                First::ClientEnded => return Ok(()),
                First::ClientBroke(error) => return Err(StreamError::Client(error)),
                First::PodEnded => StreamError::Refused,
            },
        };
        let pause = pause_after(start.elapsed());
        if said.len() > MOST_UNANSWERED || Instant::now() + pause > deadline {
            return Err(failure);
        }
        tracing::trace!(error = %failure, "trying again");
        sleep(pause).await;
    }
}

/// Quick at first, since a pod that starts is usually there in a moment; then gentle on the host.
fn pause_after(elapsed: Duration) -> Duration {
    match elapsed.as_millis() {
        0..100 => Duration::from_millis(10),
        100..5000 => Duration::from_millis(50),
        _ => Duration::from_millis(500),
    }
}

enum First {
    Answered,
    ClientEnded,
    ClientBroke(std::io::Error),
    PodEnded,
}

/// Repeats what the client said so far, then passes on until the pod's first bytes have reached the client.
async fn first_answer<C, S>(client: &mut C, pod: &mut S, said: &mut Vec<u8>) -> First
where
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    if pod.write_all(said).await.is_err() {
        return First::PodEnded;
    }
    let (mut words, mut answer) = (vec![0; 16 * 1024], vec![0; 16 * 1024]);
    loop {
        tokio::select! {
            read = client.read(&mut words) => match read {
                Ok(0) if said.is_empty() => return First::ClientEnded,
                // It has said all; the answer is still wanted.
                Ok(0) => return First::Answered,
                Ok(count) => {
                    let new = words.get(..count).unwrap_or_default();
                    said.extend_from_slice(new);
                    if pod.write_all(new).await.is_err() {
                        return First::PodEnded;
                    }
                }
                Err(error) => return First::ClientBroke(error),
            },
            read = pod.read(&mut answer) => match read {
                Ok(0) | Err(_) => return First::PodEnded,
                Ok(count) => {
                    let answer = answer.get(..count).unwrap_or_default();
                    return match client.write_all(answer).await {
                        Ok(()) => First::Answered,
                        Err(error) => First::ClientBroke(error),
                    };
                }
            },
        }
    }
}

/// Copies both ways until the pod ends, or the client ends and the pod has had its last word.
async fn copy_both<C, S>(client: C, pod: S)
where
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    const BUFFER: usize = 64 * 1024;
    let (client_read, mut client_write) = tokio::io::split(client);
    let (pod_read, mut pod_write) = tokio::io::split(pod);
    let mut up = Box::pin(async {
        // Either side's end is a normal way for a connection to end.
        let _ =
            tokio::io::copy_buf(&mut BufReader::with_capacity(BUFFER, client_read), &mut pod_write)
                .await;
        let _ = pod_write.shutdown().await;
    });
    let mut down = Box::pin(async {
        let _ =
            tokio::io::copy_buf(&mut BufReader::with_capacity(BUFFER, pod_read), &mut client_write)
                .await;
        let _ = client_write.shutdown().await;
    });
    tokio::select! {
        () = &mut down => {}
        () = &mut up => {
            let _ = timeout(LINGER, &mut down).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::collections::VecDeque;
    use tokio::io::{DuplexStream, duplex};

    /// Links that are handed out one by one.
    fn links(
        links: Vec<Result<DuplexStream, OpenError>>,
    ) -> impl FnMut() -> std::future::Ready<Result<DuplexStream, OpenError>> {
        let queue = RefCell::new(VecDeque::from(links));
        move || {
            std::future::ready(
                queue.borrow_mut().pop_front().unwrap_or_else(|| Err(OpenError::NoPod("a".into()))),
            )
        }
    }

    async fn read_all(mut stream: DuplexStream) -> Vec<u8> {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        bytes
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_said_is_repeated_until_it_is_answered() {
        let (mut user, client) = duplex(1024);
        let (dead, dead_end) = duplex(1024);
        let (live, mut live_end) = duplex(1024);
        drop(dead_end);
        user.write_all(b"hello").await.unwrap();
        let carried = tokio::spawn(carry(
            client,
            links(vec![Err(OpenError::NoPod("a".into())), Ok(dead), Ok(live)]),
            Duration::from_secs(10),
        ));
        let mut heard = [0; 5];
        live_end.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"hello");
        live_end.write_all(b"answer").await.unwrap();
        drop(live_end);
        assert_eq!(read_all(user).await, b"answer");
        carried.await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn the_client_gets_the_last_word_of_the_pod() {
        let (mut user, client) = duplex(1024);
        let (pod, mut pod_end) = duplex(1024);
        let carried = tokio::spawn(carry(client, links(vec![Ok(pod)]), Duration::from_secs(10)));
        user.write_all(b"request").await.unwrap();
        let mut heard = [0; 7];
        pod_end.read_exact(&mut heard).await.unwrap();
        pod_end.write_all(b"a").await.unwrap();
        user.shutdown().await.unwrap();
        assert_eq!(pod_end.read(&mut heard).await.unwrap(), 0, "the end reaches the pod");
        pod_end.write_all(b"bc").await.unwrap();
        drop(pod_end);
        assert_eq!(read_all(user).await, b"abc");
        carried.await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends() {
        let (_user, client) = duplex(64);
        let result = carry(client, links(vec![]), Duration::from_secs(3)).await;
        assert!(matches!(result, Err(StreamError::Link(OpenError::NoPod(_)))), "{result:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_for_good_is_not_tried_again() {
        let (_user, client) = duplex(64);
        let before = Instant::now();
        let result = carry(
            client,
            links(vec![Err(OpenError::Forbidden("no".into()))]),
            Duration::from_secs(30),
        )
        .await;
        assert!(matches!(result, Err(StreamError::Link(OpenError::Forbidden(_)))), "{result:?}");
        assert_eq!(Instant::now(), before);
    }
}
