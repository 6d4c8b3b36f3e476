//! What a distribution needs that starts API server and controllers by itself: its folders on the volume, and what it is
//! told in files, because it is only known once the pod is on a node.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::Context as _;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use vcluster_config::{Config, DistroKind};

use crate::certs::{Names, Pki, write_file, write_layout};

/// Folders on the volume that the distribution, or a volume of the chart in it, must find. The container runtime would
/// make the latter as root.
fn folders(distro: DistroKind) -> &'static [&'static str] {
    match distro {
        DistroKind::K8s | DistroKind::Eks => &[],
        DistroKind::K3s => &["k3s/server/db", "k3s/server/tls"],
    }
}

/// Prepares it all: in `data`, the volume, and in `directory`, where the PKI is.
pub(super) fn prepare(
    config: &Config,
    pki: &Pki,
    names: &Names,
    data: &Path,
    directory: &Path,
) -> anyhow::Result<()> {
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

/// The same at every start, also on another volume: k3s could not read its own notes in the store otherwise.
fn token(key: &str) -> String {
    let digest = Sha256::new().chain_update("k3s token\n").chain_update(key).finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn write_json(directory: &Path, name: &str, document: &serde_json::Value) -> anyhow::Result<()> {
    let text = format!("{document:#}\n");
    let written: io::Result<()> = write_file(directory, name, &text);
    Ok(written?)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::certs::Wanted;

    fn pki() -> Pki {
        let mut pki = Pki::default();
        pki.complete(Wanted::default(), SystemTime::now()).unwrap();
        pki
    }

    fn names() -> Names {
        Names {
            dns: ["my-vc".to_owned(), "*.nodes.vcluster.com".to_owned()].into(),
            addresses: ["10.96.7.7".parse().unwrap()].into(),
        }
    }

    #[test]
    fn k3s_finds_folders_names_and_the_same_token_again() {
        let config =
            vcluster_config::load("t", "controlPlane: { distro: { k3s: { enabled: true } } }")
                .unwrap()
                .config;
        let (data, directory) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let pki = pki();
        prepare(&config, &pki, &names(), data.path(), directory.path()).unwrap();
        assert!(data.path().join("k3s/server/tls").is_dir());
        let read = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap();
        let told: serde_json::Value = serde_json::from_str(&read("k3s.yaml")).unwrap();
        assert_eq!(told, json!({ "tls-san": ["my-vc", "10.96.7.7"] }));
        let token = read("k3s.token");
        assert!(token.len() == 64 && !read("k3s.yaml").contains(&token));
        let other = tempfile::tempdir().unwrap();
        prepare(&config, &pki, &names(), data.path(), other.path()).unwrap();
        assert_eq!(fs::read_to_string(other.path().join("k3s.token")).unwrap(), token);
    }

    #[test]
    fn a_token_of_the_users_stays() {
        let yaml = "controlPlane: { distro: { k3s: { enabled: true, token: mine } } }";
        let config = vcluster_config::load("t", yaml).unwrap().config;
        let (data, directory) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        prepare(&config, &pki(), &names(), data.path(), directory.path()).unwrap();
        assert_eq!(fs::read_to_string(directory.path().join("k3s.token")).unwrap(), "mine");
    }

    #[test]
    fn others_find_nothing_of_it() {
        let (data, directory) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        prepare(&Config::default(), &pki(), &names(), data.path(), directory.path()).unwrap();
        for folder in [data, directory] {
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        }
    }
}
