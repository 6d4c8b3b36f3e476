//! What a distribution needs that starts API server and controllers by itself: its folders on the volume, and what it is
//! told in files, because it is only known once the pod is on a node.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use vcluster_config::{Config, DistroKind};

use super::Facts;
use crate::certs::{Names, Pki, write_file, write_layout};

/// Folders on the volume that the distribution, or a volume of the chart in it, must find. The container runtime would
/// make the latter as root.
fn folders(distro: DistroKind) -> &'static [&'static str] {
    match distro {
        DistroKind::K8s | DistroKind::Eks => &[],
        DistroKind::K3s => &["k3s/server/db", "k3s/server/tls"],
        DistroKind::K0s => &["k0s/db", "k0s/pki", "k0s/run"],
    }
}

/// What is known by now.
pub(super) struct Known<'a> {
    /// The certificates.
    pub pki: &'a Pki,
    /// How the API server is called.
    pub names: &'a Names,
    /// The host's networks.
    pub facts: &'a Facts,
    /// This pod's address.
    pub address: Option<IpAddr>,
}

/// Where things are.
pub(super) struct Places<'a> {
    /// The volume.
    pub data: &'a Path,
    /// Where the PKI is written to.
    pub pki: &'a Path,
    /// Where the chart left what it tells k0s, with the gaps that [`filled`] fills.
    pub k0s: &'a Path,
}

/// Prepares it all.
pub(super) fn prepare(
    config: &Config,
    known: &Known<'_>,
    places: &Places<'_>,
) -> anyhow::Result<()> {
    let Known { pki, names, .. } = *known;
    let Places { data, pki: directory, .. } = *places;
    let distro = config.control_plane.distro.kind();
    for folder in folders(distro) {
        let folder = data.join(folder);
        fs::create_dir_all(&folder)
            .with_context(|| format!("the folder {} cannot be made", folder.display()))?;
    }
    let written = || {
        write_layout(distro, pki, directory)?;
        match distro {
            DistroKind::K8s | DistroKind::Eks => Ok(()),
            DistroKind::K3s => k3s(config, pki, names, directory),
            DistroKind::K0s => k0s(known, places),
        }
    };
    written().with_context(|| {
        format!("the files of {} cannot be written to {}", distro.key(), directory.display())
    })
}

fn k3s(config: &Config, pki: &Pki, names: &Names, directory: &Path) -> anyhow::Result<()> {
    let wanted = &config.control_plane.distro.k3s.token;
    let token = if wanted.is_empty() { token(pki.get("sa.key")?) } else { wanted.clone() };
    write_file(directory, "k3s.token", &token)?;
    // k3s drops names with an asterisk; they are only for proxies that are not here.
    let dns = names.dns.iter().filter(|name| !name.starts_with('*')).cloned();
    let addresses = names.addresses.iter().map(ToString::to_string);
    let sans: Vec<String> = dns.chain(addresses).collect();
    // JSON is YAML.
    write_json(directory, "k3s.yaml", &json!({ "tls-san": sans }))
}

fn k0s(known: &Known<'_>, places: &Places<'_>) -> anyhow::Result<()> {
    // It keeps a copy of what it is told there, and changes the folder's mode: it must be ours, and in memory.
    fs::create_dir_all(places.pki.join("run"))?;
    let text = fs::read_to_string(places.k0s)
        .with_context(|| format!("{} cannot be read", places.k0s.display()))?;
    let document: Value = serde_json::from_str(&text)
        .with_context(|| format!("{} is not JSON", places.k0s.display()))?;
    let cidr = &known.facts.cidr;
    let first = cidr.split(',').next().unwrap_or_default();
    let gaps = [
        ("$(POD_IP)", known.address.map(|address| address.to_string()).unwrap_or_default()),
        ("$(BIND_ADDRESS)", known.facts.bind_address.clone()),
        ("$(SERVICE_CIDR)", cidr.clone()),
        ("$(FIRST_SERVICE_CIDR)", first.to_owned()),
        ("$(POD_CIDR)", pod_range(first).to_owned()),
        ("$(NODE_PORT_RANGE)", known.facts.node_ports.clone()),
        // A password is in it: the chart leaves it in a Secret of its own.
        ("$(DATA_SOURCE)", std::env::var("DATA_SOURCE").unwrap_or_default()),
    ];
    write_json(places.pki, "k0s.yaml", &filled(document, &gaps))
}

/// A range for pods, which nobody uses: pods have addresses of the host. k0s only wants it of the family of services.
fn pod_range(services: &str) -> &'static str {
    if services.contains(':') { "fd00:10:244::/108" } else { "10.244.0.0/16" }
}

/// The document with its gaps filled, in every string.
fn filled(document: Value, gaps: &[(&str, String)]) -> Value {
    match document {
        Value::String(text) => {
            Value::String(gaps.iter().fold(text, |text, (gap, value)| text.replace(gap, value)))
        }
        Value::Array(items) => items.into_iter().map(|item| filled(item, gaps)).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(key, value)| (key, filled(value, gaps))).collect()
        }
        other => other,
    }
}

/// The same at every start, also on another volume: k3s could not read its own notes in the store otherwise.
fn token(key: &str) -> String {
    let digest = Sha256::new().chain_update("k3s token\n").chain_update(key).finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn write_json(directory: &Path, name: &str, document: &Value) -> anyhow::Result<()> {
    let text = format!("{document:#}\n");
    let written: io::Result<()> = write_file(directory, name, &text);
    Ok(written?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prepares into two folders: the volume, and the PKI's.
    fn prepared(values: &str, pki: &Pki) -> [tempfile::TempDir; 2] {
        let config = vcluster_config::load("t", values).unwrap().config;
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let chart = tempfile::NamedTempFile::new().unwrap();
        let told = json!({ "spec": {
            "api": { "address": "$(POD_IP)", "port": 8443 },
            "network": { "serviceCIDR": "$(FIRST_SERVICE_CIDR)", "podCIDR": "$(POD_CIDR)" },
            "list": ["--service-cluster-ip-range=$(SERVICE_CIDR)"],
        } });
        fs::write(chart.path(), told.to_string()).unwrap();
        let names = Names {
            dns: ["my-vc".to_owned(), "*.nodes.vcluster.com".to_owned()].into(),
            addresses: ["10.96.7.7".parse().unwrap()].into(),
        };
        let facts = Facts {
            cidr: "10.96.0.0/12,fd00:96::/112".into(),
            node_ports: "30000-32767".into(),
            bind_address: "::".into(),
        };
        let address = Some("10.244.1.9".parse().unwrap());
        let known = Known { pki, names: &names, facts: &facts, address };
        let [data, directory] = &folders;
        let places = Places { data: data.path(), pki: directory.path(), k0s: chart.path() };
        prepare(&config, &known, &places).unwrap();
        folders
    }

    fn read(folder: &tempfile::TempDir, name: &str) -> String {
        fs::read_to_string(folder.path().join(name)).unwrap()
    }

    #[test]
    fn k3s_finds_folders_names_and_the_same_token_again() {
        let values = "controlPlane: { distro: { k3s: { enabled: true } } }";
        let pki = Pki::fresh();
        let [data, directory] = prepared(values, &pki);
        assert!(data.path().join("k3s/server/tls").is_dir());
        let told: Value = serde_json::from_str(&read(&directory, "k3s.yaml")).unwrap();
        assert_eq!(told, json!({ "tls-san": ["my-vc", "10.96.7.7"] }));
        let token = read(&directory, "k3s.token");
        assert!(token.len() == 64 && !read(&directory, "k3s.yaml").contains(&token));
        let [_, other] = prepared(values, &pki);
        assert_eq!(read(&other, "k3s.token"), token);
    }

    #[test]
    fn a_token_of_the_users_stays() {
        let yaml = "controlPlane: { distro: { k3s: { enabled: true, token: mine } } }";
        let [_, directory] = prepared(yaml, &Pki::fresh());
        assert_eq!(read(&directory, "k3s.token"), "mine");
    }

    #[test]
    fn k0s_is_told_what_is_known_by_now() {
        let yaml = "controlPlane: { distro: { k0s: { enabled: true } } }";
        let [data, directory] = prepared(yaml, &Pki::fresh());
        assert!(data.path().join("k0s/pki").is_dir() && directory.path().join("run").is_dir());
        let told: Value = serde_json::from_str(&read(&directory, "k0s.yaml")).unwrap();
        assert_eq!(
            told["spec"],
            json!({
                "api": { "address": "10.244.1.9", "port": 8443 },
                "network": { "serviceCIDR": "10.96.0.0/12", "podCIDR": "10.244.0.0/16" },
                "list": ["--service-cluster-ip-range=10.96.0.0/12,fd00:96::/112"],
            })
        );
    }

    #[test]
    fn others_find_nothing_of_it() {
        for folder in prepared("", &Pki::fresh()) {
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        }
    }
}
