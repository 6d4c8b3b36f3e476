//! `vcluster list`.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::suite::{Company, Fits, Promise, world::World};

pub const PROMISE: Promise = Promise {
    name: "list-shows-what-there-is",
    about: "list shows every virtual cluster as a table, as JSON for scripts, and by name",
    company: Company::Any,
    fits: Fits::All,
    run: |world| Box::pin(run(world)),
};

async fn run(world: World) -> Result<()> {
    let common = world.common().await?;
    let home = world.home(world.host())?;
    let table = home.run(&["list"]).await?.succeeds()?.stdout;
    let headings: Vec<&str> = table.lines().next().unwrap_or_default().split_whitespace().collect();
    ensure!(
        headings == ["NAME", "NAMESPACE", "STATUS", "VERSION", "CONNECTED", "AGE"],
        "the headings are {headings:?}"
    );
    let row = table.lines().find(|row| row.starts_with(&format!("{} ", common.name)));
    let row: Vec<&str> = row.context("it is not listed")?.split_whitespace().collect();
    ensure!(row.get(1..3) == Some(&[common.host.name.as_str(), "Running"]), "its row is {row:?}");

    let listed = home.run(&["list", "--output", "json"]).await?.succeeds()?.stdout;
    ensure!(
        listed.contains("\n    {\n        \"Name\": "),
        "scripts have seen an indent of four spaces"
    );
    let listed: Vec<Value> = serde_json::from_str(&listed)?;
    let row = listed.iter().find(|row| row.get("Name") == Some(&json!(common.name)));
    let row = row.context("it is not in the JSON")?;
    for key in ["Name", "Namespace", "Created", "Version", "Status", "AgeSeconds", "Connected"] {
        ensure!(row.get(key).is_some(), "the JSON has no {key}: {row}");
    }
    ensure!(row.get("Connected") == Some(&json!(false)), "nobody is connected: {row}");

    let names = home.run(&["ls", "-o", "name", "-n", &common.host.name]).await?.succeeds()?.stdout;
    ensure!(names == format!("{}\n", common.name), "the names are {names:?}");
    let none = home.run(&["list", "-n", "default", "-o", "json"]).await?.succeeds()?.stdout;
    ensure!(none.trim() == "[]", "where there is none, the JSON is {none:?}");
    Ok(())
}
