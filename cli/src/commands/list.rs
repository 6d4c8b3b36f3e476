//! `vcluster list`

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use crate::app::App;
use crate::discover::{self, VirtualCluster};
use crate::error::Result;
use crate::kubeconfig::context_name;
use crate::ui::listing;
use crate::ui::table::{age, table};
use crate::yaml;

/// List virtual clusters
#[derive(Args, Debug)]
pub struct ListArgs {
    /// Output format
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,

    /// Leave out the headings of the table
    #[arg(long)]
    no_headers: bool,

    /// Look at all namespaces, which is the default without -n
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    all_namespaces: bool,
}

/// How lists are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// Columns.
    Table,
    /// More columns.
    Wide,
    /// A JSON array.
    Json,
    /// A YAML list.
    Yaml,
    /// Names only.
    Name,
}

/// One virtual cluster in JSON and YAML. The keys are a format that scripts rely on.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row<'a> {
    name: &'a str,
    namespace: &'a str,
    created: String,
    version: &'a str,
    status: &'a str,
    age_seconds: i64,
    connected: bool,
}

/// Lists them.
pub async fn run(app: &App, args: &ListArgs) -> Result<()> {
    let current = app.settings.kubeconfig.current()?;
    let mut clusters = Vec::new();
    let answers = discover::on_every_host(app).await?;
    let several = answers.len() > 1;
    for (index, answer) in answers.into_iter().enumerate() {
        match answer {
            Ok(found) => clusters.extend(found.into_iter().map(|found| found.cluster)),
            Err(error) if !several => return Err(error),
            Err(error) if index == 0 => app.ui.warn(error.to_string()),
            // A current context whose virtual cluster is paused or gone; the list itself shows that.
            Err(error) => tracing::debug!(%error, "the current context was not asked"),
        }
    }
    let text =
        render(&clusters, current.as_deref(), Timestamp::now(), args.output, !args.no_headers)?;
    if clusters.is_empty() && matches!(args.output, Output::Table | Output::Wide) {
        app.ui.info("no virtual clusters found");
        return Ok(());
    }
    app.ui.data(&text)
}

/// The text for stdout. Pure.
fn render(
    clusters: &[VirtualCluster],
    current: Option<&str>,
    now: Timestamp,
    output: Output,
    headings: bool,
) -> Result<String> {
    let rows: Vec<Row<'_>> = clusters
        .iter()
        .map(|cluster| Row {
            name: &cluster.name,
            namespace: &cluster.namespace,
            created: cluster.created.map(|time| time.to_string()).unwrap_or_default(),
            version: &cluster.version,
            status: &cluster.status,
            age_seconds: cluster.created.map_or(0, |time| now.as_second() - time.as_second()),
            connected: current.is_some_and(|current| {
                current == context_name(&cluster.name, &cluster.namespace, &cluster.context)
            }),
        })
        .collect();
    match output {
        // The indent that scripts written for other versions have seen.
        Output::Json => listing::json(&rows, "    "),
        Output::Yaml => {
            let value = serde_json::to_value(&rows).map_err(listing::unwritten)?;
            yaml::write(&value).map_err(listing::unwritten)
        }
        Output::Name => Ok(rows.iter().map(|row| format!("{}\n", row.name)).collect()),
        Output::Table | Output::Wide => {
            let mut columns = vec!["NAME", "NAMESPACE", "STATUS", "VERSION", "CONNECTED", "AGE"];
            if output == Output::Wide {
                columns.extend(["CREATED", "CONTEXT"]);
            }
            let cells: Vec<Vec<String>> = rows
                .iter()
                .zip(clusters)
                .map(|(row, cluster)| {
                    let connected = if row.connected { "True" } else { "" };
                    let mut cells = vec![
                        row.name.into(),
                        row.namespace.into(),
                        row.status.into(),
                        row.version.into(),
                        connected.into(),
                        age(row.age_seconds),
                    ];
                    if output == Output::Wide {
                        cells.extend([row.created.clone(), cluster.context.clone()]);
                    }
                    cells
                })
                .collect();
            Ok(table(&columns, &cells, headings))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(output: Output) -> String {
        let cluster = |name: &str, status: &str| VirtualCluster {
            name: name.into(),
            namespace: format!("vcluster-{name}"),
            context: "kind-kind".into(),
            created: Some("2026-08-01T10:00:00Z".parse().unwrap()),
            version: "0.1.0".into(),
            status: status.into(),
        };
        let clusters = [cluster("my-vc", "Running"), cluster("other", "Paused")];
        let now = "2026-08-01T10:05:30Z".parse().unwrap();
        render(&clusters, Some("vcluster_my-vc_vcluster-my-vc_kind-kind"), now, output, true)
            .unwrap()
    }

    #[test]
    fn the_table_has_the_columns_of_today() {
        insta::assert_snapshot!(sample(Output::Table), @r"
        NAME    NAMESPACE        STATUS    VERSION   CONNECTED   AGE
        my-vc   vcluster-my-vc   Running   0.1.0     True        5m30s
        other   vcluster-other   Paused    0.1.0                 5m30s
        ");
    }

    #[test]
    fn wide_adds_when_and_where() {
        insta::assert_snapshot!(sample(Output::Wide), @r"
        NAME    NAMESPACE        STATUS    VERSION   CONNECTED   AGE     CREATED                CONTEXT
        my-vc   vcluster-my-vc   Running   0.1.0     True        5m30s   2026-08-01T10:00:00Z   kind-kind
        other   vcluster-other   Paused    0.1.0                 5m30s   2026-08-01T10:00:00Z   kind-kind
        ");
    }

    #[test]
    fn json_has_the_keys_that_scripts_know() {
        insta::assert_snapshot!(sample(Output::Json).lines().take(10).collect::<Vec<_>>().join("\n"), @r#"
        [
            {
                "Name": "my-vc",
                "Namespace": "vcluster-my-vc",
                "Created": "2026-08-01T10:00:00Z",
                "Version": "0.1.0",
                "Status": "Running",
                "AgeSeconds": 330,
                "Connected": true
            },
        "#);
    }

    #[test]
    fn yaml_and_names() {
        assert!(sample(Output::Yaml).contains("AgeSeconds: 330"));
        assert_eq!(sample(Output::Name), "my-vc\nother\n");
    }
}
