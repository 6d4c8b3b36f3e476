//! Two replicas and a store of one Lease that can be cut off, on a clock that jumps.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use kube::client::Body;
use tokio::task::JoinHandle;
use vcluster_syncer_core::json::json;

use super::*;

/// The API server, as far as one Lease goes.
#[derive(Clone, Default)]
struct Store(Arc<Mutex<(Option<Value>, u64)>>);

/// One replica's way to the store.
#[derive(Clone, Default)]
struct Line {
    cut: Arc<Mutex<bool>>,
}

impl Store {
    fn answer(&self, method: &Method, body: &Value) -> (StatusCode, Value) {
        let mut held = self.0.lock().unwrap();
        let (lease, version) = &mut *held;
        match (method, lease) {
            (&Method::GET, Some(lease)) => (StatusCode::OK, lease.clone()),
            (&Method::POST, lease @ None) => {
                *version += 1;
                let mut made = body.clone();
                made["metadata"]["uid"] = json!("u");
                made["metadata"]["resourceVersion"] = json!(version.to_string());
                *lease = Some(made.clone());
                (StatusCode::CREATED, made)
            }
            (&Method::PATCH, Some(lease)) => {
                if lease["metadata"]["resourceVersion"] != body["metadata"]["resourceVersion"] {
                    return status(409);
                }
                *version += 1;
                lease["metadata"]["resourceVersion"] = json!(version.to_string());
                for (key, value) in body["spec"].as_object().unwrap() {
                    lease["spec"][key.as_str()] = value.clone();
                }
                (StatusCode::OK, lease.clone())
            }
            (&Method::POST, Some(_)) => status(409),
            (_, None) => status(404),
            _ => status(405),
        }
    }

    fn client(&self, line: &Line) -> kube::Client {
        let (store, line) = (self.clone(), line.clone());
        let service = tower::service_fn(move |request: Request<Body>| {
            let (store, line) = (store.clone(), line.clone());
            async move {
                if *line.cut.lock().unwrap() {
                    std::future::pending::<()>().await;
                }
                let method = request.method().clone();
                let body = request.into_body().collect().await.unwrap().to_bytes();
                let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
                let (code, answer) = store.answer(&method, &body);
                let answer = Body::from(answer.to_string().into_bytes());
                Ok::<_, Infallible>(Response::builder().status(code).body(answer).unwrap())
            }
        });
        kube::Client::new(service, "host")
    }

    fn spec(&self, field: &str) -> Value {
        self.0.lock().unwrap().0.as_ref().unwrap()["spec"][field].clone()
    }
}

fn status(code: u16) -> (StatusCode, Value) {
    let reason = if code == 404 { "NotFound" } else { "Conflict" };
    let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": ""});
    (StatusCode::from_u16(code).unwrap(), body)
}

struct Replica {
    leads: watch::Receiver<bool>,
    leader: watch::Receiver<Result<String, String>>,
    fit: watch::Sender<bool>,
    line: Line,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Replica {
    fn start(store: &Store, identity: &str) -> Self {
        Self::start_with(store, identity, Timing::default())
    }

    fn start_with(store: &Store, identity: &str, timing: Timing) -> Self {
        let (line, stop) = (Line::default(), CancellationToken::new());
        let name = lease_name("my-vc");
        let election = Election::new(store.client(&line), "host", &name, identity, timing);
        let fit = watch::Sender::new(true);
        let (Standings { leading, leader }, run) = election.start(fit.subscribe(), stop.clone());
        Replica { leads: leading, leader, fit, line, stop, task: tokio::spawn(run) }
    }

    fn knows(&self) -> Result<String, String> {
        self.leader.borrow().clone()
    }

    /// How long it takes until it leads, or no longer does.
    async fn until(&mut self, leads: bool) -> Duration {
        let began = Instant::now();
        self.leads.wait_for(|now| *now == leads).await.unwrap();
        began.elapsed()
    }
}

#[tokio::test(start_paused = true)]
async fn one_leads_and_renews_the_other_waits() {
    let store = Store::default();
    let mut a = Replica::start(&store, "a");
    a.until(true).await;
    let b = Replica::start(&store, "b");
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(*a.leads.borrow() && !*b.leads.borrow());
    let writes = store.0.lock().unwrap().1;
    assert!((40..=42).contains(&writes), "{writes} writes in ten minutes");
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_stops_hands_over_within_one_look() {
    let store = Store::default();
    let mut a = Replica::start(&store, "a");
    a.until(true).await;
    let mut b = Replica::start(&store, "b");
    tokio::time::sleep(Duration::from_secs(30)).await;
    a.stop.cancel();
    a.task.await.unwrap();
    let took = b.until(true).await;
    assert!(took <= Timing::default().look_every, "{took:?}");
    assert_eq!(store.spec("leaseTransitions"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_leader_cut_off_steps_down_before_the_other_takes_over() {
    let store = Store::default();
    let mut a = Replica::start(&store, "a");
    a.until(true).await;
    let mut b = Replica::start(&store, "b");
    tokio::time::sleep(Duration::from_secs(31)).await;
    *a.line.cut.lock().unwrap() = true;
    let down = a.until(false).await;
    assert!(!*b.leads.borrow(), "two leaders");
    assert!(down <= Timing::default().renew_within, "{down:?}");
    let up = down + b.until(true).await;
    assert!(up >= Duration::from_secs(45) && up <= Duration::from_secs(66), "{up:?}");

    *a.line.cut.lock().unwrap() = false;
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert!(!*a.leads.borrow() && *b.leads.borrow(), "the old leader took it back");
    assert_eq!(store.spec("holderIdentity"), "b");
}

#[tokio::test(start_paused = true)]
async fn a_restart_under_the_same_name_goes_on_at_once() {
    let store = Store::default();
    let mut a = Replica::start(&store, "a");
    a.until(true).await;
    a.task.abort();
    let mut again = Replica::start(&store, "a");
    assert_eq!(again.until(true).await, Duration::ZERO);
    assert_eq!(store.spec("leaseTransitions"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_dies_is_followed_within_five_seconds_at_any_time() {
    // What the options come to by default.
    let timing = Timing {
        duration: Duration::from_secs(4),
        renew_within: Duration::from_secs(3),
        renew_every: Duration::from_secs(1),
        look_every: Duration::from_millis(500),
    };
    for later in (0..20).map(|step| Duration::from_millis(step * 50)) {
        let store = Store::default();
        let mut a = Replica::start_with(&store, "a", timing);
        a.until(true).await;
        tokio::time::sleep(Duration::from_millis(130)).await;
        let mut b = Replica::start_with(&store, "b", timing);
        tokio::time::sleep(Duration::from_secs(10) + later).await;
        a.task.abort();
        let took = b.until(true).await;
        assert!(took <= Duration::from_millis(4_600), "{took:?} when it died {later:?} later");
        assert!(took >= timing.renew_within, "{took:?}: the old one may still have led");
    }
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_not_fit_any_more_hands_over_within_one_look() {
    let store = Store::default();
    let mut a = Replica::start(&store, "a");
    a.until(true).await;
    let mut b = Replica::start(&store, "b");
    tokio::time::sleep(Duration::from_secs(30)).await;
    a.fit.send_replace(false);
    a.until(false).await;
    let took = b.until(true).await;
    assert!(took <= Timing::default().look_every, "{took:?}");
    // As long as it is not, it does not lead when nobody does; then it may.
    b.task.abort();
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert!(!*a.leads.borrow());
    a.fit.send_replace(true);
    a.until(true).await;
}

#[tokio::test(start_paused = true)]
async fn each_replica_knows_who_leads_and_when_nobody_does() {
    let store = Store::default();
    let mut a = Replica::start(&store, "a");
    a.until(true).await;
    let b = Replica::start(&store, "b");
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!((a.knows(), b.knows()), (Ok("a".to_owned()), Ok("a".to_owned())));
    // The host cannot be reached by either: nobody leads, and both say why.
    for replica in [&a, &b] {
        *replica.line.cut.lock().unwrap() = true;
    }
    tokio::time::sleep(Timing::default().duration + Duration::from_secs(20)).await;
    for replica in [&a, &b] {
        let said = replica.knows().unwrap_err();
        assert!(said.contains("vcluster-my-vc-controller: the host does not answer"), "{said}");
    }
    for replica in [&a, &b] {
        *replica.line.cut.lock().unwrap() = false;
    }
    tokio::time::sleep(Duration::from_secs(90)).await;
    assert!(a.knows().is_ok() && a.knows() == b.knows(), "{:?} {:?}", a.knows(), b.knows());
    // Who may not lead looks on.
    b.fit.send_replace(false);
    tokio::time::sleep(Duration::from_secs(90)).await;
    assert_eq!(b.knows(), Ok("a".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn who_becomes_fit_after_a_leader_died_does_not_begin_to_wait_then() {
    let timing = Timing::default();
    let store = Store::default();
    let mut a = Replica::start(&store, "a");
    a.until(true).await;
    let mut b = Replica::start(&store, "b");
    b.fit.send_replace(false);
    tokio::time::sleep(Duration::from_secs(30)).await;
    a.task.abort();
    let died = Instant::now();
    tokio::time::sleep(timing.duration / 2).await;
    b.fit.send_replace(true);
    b.until(true).await;
    let took = died.elapsed();
    assert!(took <= timing.duration + timing.look_every, "{took:?}");
    assert!(took >= timing.renew_within, "{took:?}: the old one may still have led");
}
