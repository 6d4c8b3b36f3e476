//! Settings: what every virtual cluster of a run is made with, so that promises are kept beyond the default.

use std::fmt;
use std::net::IpAddr;

use anyhow::Result;
use clap::ValueEnum;

use super::databases::{Engine, Server};

/// How many control planes, and members of etcd, there are with [`Setting::EtcdHa`].
const REPLICAS: u32 = 3;

/// What differs from the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Setting {
    /// Nothing: k8s with SQLite
    Sqlite,
    /// An etcd of three members that the chart deploys, and three control planes
    EtcdHa,
    /// The programs of EKS Distro
    Eks,
    /// Objects are kept in PostgreSQL
    Postgresql,
    /// Objects are kept in MySQL
    Mysql,
    /// With `--isolate`
    Isolated,
}

impl Setting {
    /// All but the default.
    pub const OTHERS: [Self; 5] =
        [Self::EtcdHa, Self::Eks, Self::Postgresql, Self::Mysql, Self::Isolated];

    /// How many control planes a virtual cluster has.
    pub fn replicas(self) -> u32 {
        if self == Self::EtcdHa { REPLICAS } else { 1 }
    }

    /// How many promises two cores carry at a time: each has a virtual cluster or two.
    pub fn jobs(self) -> usize {
        if self.replicas() > 1 { 1 } else { 3 }
    }

    /// How many claims its store has.
    pub fn claims(self) -> usize {
        match self {
            Self::Sqlite | Self::Eks | Self::Isolated => 1,
            Self::EtcdHa => REPLICAS as usize,
            Self::Postgresql | Self::Mysql => 0,
        }
    }

    /// The database server that it takes.
    fn engine(self) -> Option<Engine> {
        match self {
            Self::Postgresql => Some(Engine::PostgreSql),
            Self::Mysql => Some(Engine::MySql),
            Self::Sqlite | Self::EtcdHa | Self::Eks | Self::Isolated => None,
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Self::Sqlite => "sqlite",
            Self::EtcdHa => "etcd-ha",
            Self::Eks => "eks",
            Self::Postgresql => "postgresql",
            Self::Mysql => "mysql",
            Self::Isolated => "isolated",
        })
    }
}

/// A setting that is in force: a server that it takes runs until this is dropped.
#[derive(Debug)]
pub struct Scenery {
    /// Which one.
    pub setting: Setting,
    server: Option<Server>,
}

impl Scenery {
    /// The default, which takes nothing.
    pub fn plain() -> Self {
        Self { setting: Setting::Sqlite, server: None }
    }

    /// Starts what a setting takes, at an address that pods reach.
    ///
    /// # Errors
    /// When a database server does not start.
    pub async fn put_up(setting: Setting, address: IpAddr) -> Result<Self> {
        let server = match setting.engine() {
            Some(engine) => Some(Server::start(engine, address).await?),
            None => None,
        };
        Ok(Self { setting, server })
    }

    /// Further arguments of `vcluster create NAME`, and of its `--upgrade`.
    pub fn arguments(&self, name: &str) -> Vec<String> {
        const STORE: &str = "controlPlane.backingStore";
        let three = format!("highAvailability.replicas={REPLICAS}");
        let sets = match (self.setting, &self.server) {
            (Setting::EtcdHa, _) => vec![
                format!("controlPlane.statefulSet.{three}"),
                format!("{STORE}.etcd.deploy.enabled=true"),
                format!("{STORE}.etcd.deploy.statefulSet.{three}"),
            ],
            (Setting::Eks, _) => vec!["controlPlane.distro.eks.enabled=true".into()],
            (Setting::Isolated, _) => return vec!["--isolate".into()],
            (_, Some(server)) => vec![
                format!("{STORE}.database.external.enabled=true"),
                // Each has a database of its own, which kine makes.
                format!("{STORE}.database.external.dataSource={}", server.encrypted(name)),
            ],
            (_, None) => vec![],
        };
        sets.into_iter().flat_map(|set| ["--set".to_owned(), set]).collect()
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::Setting;

    #[test]
    fn a_setting_is_called_as_it_is_asked_for() {
        for setting in Setting::value_variants() {
            assert_eq!(setting.to_possible_value().unwrap().get_name(), setting.to_string());
        }
    }
}
