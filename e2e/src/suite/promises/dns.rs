//! A Deployment behind a Service.

use anyhow::{Result, ensure};
use serde_json::json;

use crate::suite::holds::holds;
use crate::suite::space::text;
use crate::suite::{Company, Fits, Promise, kind, sample, world::World};

pub const PROMISE: Promise = Promise {
    name: "a-service-is-reached-by-name",
    about: "a Deployment behind a Service answers by its DNS name, also from another virtual namespace, and stays reachable through a rollout",
    company: Company::Any,
    fits: Fits::Smoke,
    run: |world| Box::pin(run(world)),
};

async fn run(world: World) -> Result<()> {
    let space = world.space("shop").await?;
    let elsewhere = world.space("customer").await?;
    space.apply(&polite()).await?;
    space.apply(&sample::service("web")).await?;
    let headless = sample::with(sample::service("web"), "/metadata", json!({ "name": "each" }));
    space.apply(&sample::with(headless, "/spec", json!({ "clusterIP": "None" }))).await?;
    let client = sample::pod("client", sample::script("sleep 100000"));
    elsewhere.apply(&client).await?;
    space.rolled_out("deployment/web").await?;
    elsewhere.ready("client").await?;

    let service = space.name.as_str();
    for host in [format!("web.{service}"), format!("web.{service}.svc.cluster.local")] {
        let fetch = format!("wget -q -O - http://{host}/hostname");
        let answer = holds(&format!("{host} answers"), || elsewhere.sh("client", &fetch)).await?;
        ensure!(answer.starts_with("web-"), "{host} answered {answer:?}");
    }
    holds("both pods answer", || async {
        let fetch = format!(
            "for i in 1 2 3 4 5 6 7 8; do wget -q -O - http://web.{service}/hostname; echo; done"
        );
        let answers = elsewhere.sh("client", &fetch).await?;
        let mut names: Vec<&str> = answers.lines().collect();
        names.sort_unstable();
        names.dedup();
        ensure!(names.len() == 2, "only {names:?} answer");
        Ok(())
    })
    .await?;
    let look = format!("nslookup each.{service}.svc.cluster.local");
    let pods = space.list(kind::PODS, "app=web").await?;
    // Its endpoints are those of a controller inside, which is told later than the host's.
    holds("the headless Service names both pods", || async {
        let addresses = elsewhere.sh("client", &look).await?;
        for pod in &pods {
            let ip = text(pod, "/status/podIP");
            ensure!(addresses.contains(ip), "it does not name {ip}:\n{addresses}");
        }
        Ok(())
    })
    .await?;

    // A request each 100 ms while every pod is replaced. One that was on its way to a pod that ended may fail once.
    let watch = format!(
        "failed=0; until test -f /tmp/end; do \
         timeout 5 wget -q -O /dev/null http://web.{service}/hostname || timeout 5 wget -q -O /dev/null http://web.{service}/hostname \
         || failed=$((failed+1)); sleep 0.1; done; echo failed $failed"
    );
    let restart = async {
        space.kubectl(&["rollout", "restart", "deployment/web"]).await?;
        space.rolled_out("deployment/web").await?;
        elsewhere.sh("client", "touch /tmp/end").await
    };
    let (answers, _) = tokio::try_join!(elsewhere.sh("client", &watch), restart)?;
    ensure!(answers.trim() == "failed 0", "through the rollout: {answers}");
    let now = space.list(kind::PODS, "app=web").await?;
    let stayed = now.iter().any(|pod| {
        pods.iter().any(|old| {
            text(old, "/metadata/uid") == text(pod, "/metadata/uid")
                && pod.pointer("/metadata/deletionTimestamp").is_none()
        })
    });
    ensure!(!stayed, "rollout restart kept a pod");
    Ok(())
}

/// A web server that goes on serving until its Service leads elsewhere, as one that must not fail in a rollout has to.
fn polite() -> serde_json::Value {
    let args =
        json!(["netexec", format!("--http-port={}", sample::WEB_PORT), "--delay-shutdown=8"]);
    let container = sample::with(sample::web(), "", json!({ "args": args }));
    let grace = json!({ "terminationGracePeriodSeconds": 20 });
    sample::with(sample::deployment("web", 2, container), "/spec/template/spec", grace)
}
