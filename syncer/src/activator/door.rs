//! Connections that come while the virtual cluster sleeps, or starts.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use vcluster_syncer_core::sleep::State;

use super::plane::Plane;
use super::shown::Shown;
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

/// Between two tries to reach an API server that is ready.
const LOOK: Duration = Duration::from_millis(200);

/// Before waking is tried again, and how long a try to reach the API server may take.
const AGAIN: Duration = Duration::from_secs(2);

/// Serves for as long as the program runs.
pub async fn serve(listener: TcpListener, plane: Arc<Plane>, shown: Shown) {
    let entrance = Arc::new(Entrance { plane, shown, bell: Notify::new() });
    tokio::join!(entrance.hear_bell(), take_in(listener, &entrance));
}

async fn take_in(listener: TcpListener, entrance: &Arc<Entrance>) {
    let hellos = Arc::new(Semaphore::new(SILENT));
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(hello) = Arc::clone(&hellos).acquire_owned().await else { return };
        let (client, from) = accept(&listener, "door").await;
        let (entrance, places) = (Arc::clone(entrance), Arc::clone(&places));
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
            match entrance.pass(client, from).await {
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

/// The way in, which all who wait share.
struct Entrance {
    plane: Arc<Plane>,
    shown: Shown,
    /// Rung to wake it: all who ring at about the same time are heard as one.
    bell: Notify,
}

impl Entrance {
    /// Wakes the virtual cluster whenever somebody rings.
    async fn hear_bell(&self) {
        loop {
            self.bell.notified().await;
            while let Err(error) = self.plane.wake().await {
                tracing::warn!(%error, "it does not wake up, trying again");
                sleep(AGAIN).await;
            }
            // However many come.
            sleep(AGAIN).await;
        }
    }

    async fn pass(&self, client: TcpStream, from: SocketAddr) -> anyhow::Result<()> {
        settle(&client)?;
        let began = Instant::now();
        let server = self.server(from, began + HOLD).await?;
        tracing::info!(%from, milliseconds = began.elapsed().as_millis(), "let in");
        settle(&server)?;
        // Until the server ends: a client may leave its end open, or be gone without a word.
        join(client, server).await;
        Ok(())
    }

    /// A connection to the API server, as soon as there is one.
    async fn server(&self, from: SocketAddr, deadline: Instant) -> anyhow::Result<TcpStream> {
        let mut shown = self.shown.clone();
        let mut rang = false;
        loop {
            let addresses: Vec<_> = shown.addresses.borrow_and_update().values().copied().collect();
            let state = *shown.state.borrow_and_update();
            let trouble = match state {
                _ if !addresses.is_empty() => match reach(&addresses, from).await {
                    Ok(server) => return Ok(server),
                    Err(trouble) => trouble,
                },
                Some(State::Paused) => {
                    let name = &self.plane.name;
                    anyhow::bail!("a person paused the virtual cluster: vcluster resume {name}");
                }
                _ => {
                    if !std::mem::replace(&mut rang, true) {
                        tracing::info!(%from, "somebody is at the door");
                        self.bell.notify_one();
                    }
                    anyhow::anyhow!("its API server is not ready")
                }
            };
            // One that is ready may not be reached at once.
            let look =
                if addresses.is_empty() { deadline } else { (Instant::now() + LOOK).min(deadline) };
            tokio::select! {
                () = sleep_until(look) => {}
                () = shown.changed() => {}
            }
            if Instant::now() >= deadline {
                return Err(trouble);
            }
        }
    }
}

/// A connection to any of these, clients to each of them in turn.
async fn reach(addresses: &[SocketAddr], from: SocketAddr) -> anyhow::Result<TcpStream> {
    let mut trouble = anyhow::anyhow!("there is no API server");
    let first = usize::from(from.port()) % addresses.len().max(1);
    for address in addresses.iter().cycle().skip(first).take(addresses.len()) {
        match timeout(AGAIN, TcpStream::connect(address)).await {
            Ok(Ok(server)) => return Ok(server),
            Ok(Err(error)) => trouble = error.into(),
            Err(late) => trouble = late.into(),
        }
    }
    Err(trouble)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use vcluster_syncer_core::json::{Value, json};

    use super::*;
    use crate::activator::plane::tests::plane;
    use crate::namespace::tests::scripted;

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

    /// Its control plane is woken by the first PATCH, and ready by the time that the pod is followed again.
    #[tokio::test]
    async fn many_who_wait_are_one_question_to_the_host() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = server.local_addr().unwrap().port();
        let date = "2026-08-01T20:00:00Z";
        let asleep = json!({
            "metadata": { "name": "my", "resourceVersion": "1", "annotations": {
                "loft.sh/paused": "true", "loft.sh/paused-date": date, "vcluster.loft.sh/asleep-since": date,
            } },
            "spec": { "replicas": 0 },
        });
        let pod = json!({ "metadata": { "name": "my-0" }, "status": {
            "podIP": "127.0.0.1", "containerStatuses": [{ "name": "kube-apiserver", "ready": true }],
        } });
        let woken = std::sync::atomic::AtomicBool::new(false);
        let (namespace, asked) = scripted(&[], move |line, _: &Value| {
            use std::sync::atomic::Ordering::Relaxed;
            let event = |object: &Value| Some((200, json!({ "type": "ADDED", "object": object })));
            if line.starts_with("PATCH") {
                woken.store(true, Relaxed);
            }
            match line {
                _ if line.contains("/statefulsets?watch") => event(&asleep),
                _ if line.contains("/statefulsets/my") => Some((200, asleep.clone())),
                _ if line.starts_with("GET pods?watch") && woken.load(Relaxed) => event(&pod),
                _ if line.starts_with("GET pods?") && woken.load(Relaxed) => {
                    Some((200, json!({ "items": [&pod] })))
                }
                _ if line.starts_with("GET pods?") => Some((200, json!({ "items": [] }))),
                _ => None,
            }
        });
        let mut plane = plane(namespace);
        plane.port = port;
        let plane = Arc::new(plane);
        let (shown, following) = Shown::of(&plane);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let let_in = async {
            let mut clients = Vec::new();
            for _ in 0..20 {
                let mut client = TcpStream::connect(address).await.unwrap();
                client.write_all(&[HANDSHAKE]).await.unwrap();
                clients.push(client);
            }
            for _ in &clients {
                let (mut inside, _) = server.accept().await.unwrap();
                assert_eq!(inside.read_u8().await.unwrap(), HANDSHAKE);
            }
        };
        tokio::select! {
            () = following => {}
            () = serve(listener, Arc::clone(&plane), shown) => {}
            () = let_in => {}
        }
        let asked = asked.lock().unwrap();
        let count = |start: &str| asked.iter().filter(|line| line.starts_with(start)).count();
        assert!(count("PATCH") <= 2 && count("GET pods") < 10, "{asked:#?}");
    }
}
