//! Work that comes to an end.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;

use crate::suite::holds::{holds, holds_within};
use crate::suite::space::condition;
use crate::suite::{Company, Fits, Promise, kind, sample, world::World};

pub const PROMISE: Promise = Promise {
    name: "jobs-and-cron-jobs-complete",
    about: "a Job runs to completion, retries what fails, and a CronJob starts one on time",
    company: Company::Any,
    fits: Fits::All,
    run: |world| Box::pin(run(world)),
};

async fn run(world: World) -> Result<()> {
    let space = world.space("work").await?;
    let template = |text: &str| json!({ "spec": { "restartPolicy": "Never", "containers": [sample::script(text)] } });
    let cron = json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": { "name": "minutely" },
        "spec": { "schedule": "* * * * *", "jobTemplate": { "spec": { "template": template("echo on time") } } },
    });
    space.apply(&cron).await?;
    let job = |name: &str, text: &str| {
        json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": name },
            "spec": { "completions": 2, "parallelism": 2, "backoffLimit": 1, "template": template(text) },
        })
    };
    space.apply(&job("good", "echo done")).await?;
    space.apply(&job("bad", "exit 3")).await?;
    for (name, end) in [("good", "Complete"), ("bad", "Failed")] {
        holds(&format!("job {name} is {end}"), || async {
            let job = space.get(kind::JOBS, name).await?;
            ensure!(condition(&job, end) == Some("True"), "{:?}", job.get("status"));
            Ok(())
        })
        .await?;
    }
    let said = space.kubectl(&["logs", "--selector", "job-name=good"]).await?;
    ensure!(said == "done\ndone\n", "the job said {said:?}");
    // The next full minute, and what a pod takes.
    holds_within(Duration::from_secs(180), "the cron job has run", || async {
        let jobs = space.list(kind::JOBS, "").await?;
        let done = jobs.iter().any(|job| {
            job.to_string().contains("\"minutely-") && condition(job, "Complete") == Some("True")
        });
        ensure!(done, "there are {} jobs", jobs.len());
        Ok(())
    })
    .await
}
