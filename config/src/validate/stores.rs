//! Rules about the store and its volumes.

use serde_json::Value;

use crate::problem::Problem;
use crate::scalars::Fragment;
use crate::{
    Config, EtcdStatefulSet, ExternalDatabase, ExternalEtcd, Persistence, StoreKind, Toggle,
};

/// What kine can talk to, by how a data source begins.
const DATABASES: [&str; 3] = ["postgres://", "postgresql://", "mysql://"];

pub(super) fn check(config: &Config, problems: &mut Vec<Problem>) {
    let set = &config.control_plane.stateful_set;
    let store = &config.control_plane.backing_store;
    if let [first, .., last] = store.enabled()[..] {
        let path = format!("controlPlane.backingStore.{last}.enabled");
        problems.push(Problem::error(path, format!("another store, {first}, is enabled too")));
    }
    if set.high_availability.replicas > 1 && !store.kind().is_shared() {
        problems.push(
            Problem::error(
                "controlPlane.statefulSet.highAvailability.replicas",
                "SQLite lies on one volume and cannot be shared by several control planes",
            )
            .hint("set it to 1, or use controlPlane.backingStore.etcd.deploy"),
        );
    }
    match store.kind() {
        StoreKind::Sqlite if store.is_replicated() => {}
        StoreKind::Sqlite => claim(&set.persistence, problems),
        StoreKind::ExternalDatabase => database(&store.database.external, problems),
        StoreKind::DeployedEtcd => deployed(config, &store.etcd.deploy.stateful_set, problems),
        StoreKind::ExternalEtcd => external(&store.etcd.external, problems),
    }
    volumes(&set.persistence, problems);
    own_kine(config, problems);
}

/// Distributions that start everything by themselves bring their kine along.
fn own_kine(config: &Config, problems: &mut Vec<Problem>) {
    let distro = config.control_plane.distro.kind();
    let database = &config.control_plane.backing_store.database;
    let said =
        [("embedded", &database.embedded.extra_args), ("external", &database.external.extra_args)];
    for (name, extra_args) in said {
        if distro.is_one_program() && !extra_args.is_empty() {
            let path = format!("controlPlane.backingStore.database.{name}.extraArgs");
            let message = format!("it has no effect: {} has a kine of its own", distro.key());
            problems.push(Problem::warning(path, message));
        }
    }
}

fn claim(persistence: &Persistence, problems: &mut Vec<Problem>) {
    if persistence.volume_claim.enabled == Toggle::Off && persistence.data_volume.is_empty() {
        problems.push(Problem::warning(
            "controlPlane.statefulSet.persistence.volumeClaim.enabled",
            "without a claim, everything in the virtual cluster is lost with its pod",
        ));
    }
}

fn volumes(persistence: &Persistence, problems: &mut Vec<Problem>) {
    let is_data = |name: Option<&Value>| name.and_then(Value::as_str) == Some("data");
    if !persistence.data_volume.is_empty()
        && !persistence.data_volume.iter().any(|volume| is_data(volume.get("name")))
    {
        problems.push(Problem::error(
            "controlPlane.statefulSet.persistence.dataVolume",
            "no volume in it is named data",
        ));
    }
    let templates = &persistence.volume_claim_templates;
    let claim_is_data =
        |claim: &Fragment| is_data(claim.get("metadata").and_then(|metadata| metadata.get("name")));
    if !templates.is_empty() && !templates.iter().any(claim_is_data) {
        let path = "controlPlane.statefulSet.persistence.volumeClaimTemplates";
        problems.push(Problem::error(path, "no claim in it has the metadata.name data"));
    }
}

fn database(database: &ExternalDatabase, problems: &mut Vec<Problem>) {
    let at = |key: &str| format!("controlPlane.backingStore.database.external.{key}");
    let ExternalDatabase { data_source, data_source_secret, .. } = database;
    if data_source.is_empty() == data_source_secret.name.is_empty() {
        let message = match data_source.is_empty() {
            true => "nothing says where the database is",
            false => "the database is named twice, here and in dataSourceSecret",
        };
        problems.push(
            Problem::error(at("dataSource"), message)
                .hint("set either dataSource or dataSourceSecret.name"),
        );
    }
    if !data_source.is_empty() && !DATABASES.iter().any(|start| data_source.starts_with(start)) {
        // What it holds is a password, too.
        let message = "it begins with none of postgres:// and mysql://";
        problems.push(Problem::error(at("dataSource"), message));
    }
}

fn deployed(config: &Config, set: &EtcdStatefulSet, problems: &mut Vec<Problem>) {
    let at = |key: &str| format!("controlPlane.backingStore.etcd.deploy.statefulSet.{key}");
    let replicas = set.high_availability.replicas;
    if !matches!(replicas, 1 | 3 | 5) {
        let message = format!("etcd has 1, 3 or 5 members, not {replicas}");
        problems.push(Problem::error(at("highAvailability.replicas"), message));
    }
    let planes = config.control_plane.stateful_set.high_availability.replicas;
    if replicas == 1 && planes > 1 {
        let message = format!("without its one member, none of {planes} control planes works");
        problems
            .push(Problem::warning(at("highAvailability.replicas"), message).hint("set it to 3"));
    }
    if !set.persistence.volume_claim.enabled && set.persistence.volume_claim_templates.is_empty() {
        let path = at("persistence.volumeClaim.enabled");
        problems.push(if replicas > 1 {
            Problem::error(path, "a member that has lost its data cannot come back")
                .hint("leave it on, or have one member")
        } else {
            let message =
                "without a claim, everything in the virtual cluster is lost with etcd's pod";
            Problem::warning(path, message)
        });
    }
}

fn external(etcd: &ExternalEtcd, problems: &mut Vec<Problem>) {
    let at = |key: &str| format!("controlPlane.backingStore.etcd.external.{key}");
    let endpoints: Vec<&str> = etcd.endpoint.split(',').map(str::trim).collect();
    let is_address = |it: &&str| it.starts_with("https://") || it.starts_with("http://");
    if let Some(wrong) = endpoints.iter().find(|it| !is_address(it)) {
        let message = format!("{wrong:?} is not an address such as https://10.0.0.1:2379");
        problems.push(Problem::error(at("endpoint"), message));
    } else if endpoints.iter().any(|it| it.starts_with("http://")) {
        let message = "without TLS, whoever sees the traffic has every secret";
        problems.push(Problem::warning(at("endpoint"), message));
    }
    let tls = &etcd.tls;
    if tls.secret.is_empty() && tls.cert_file.is_empty() != tls.key_file.is_empty() {
        problems.push(Problem::error(at("tls.certFile"), "a certificate and its key go together"));
    }
}
