//! Debian's database servers, beside the host cluster: started for one promise or one setting, stopped with it.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use super::certificates::Authority;
use super::holds::holds;
use crate::testbed::{command, run};

/// Servers refuse to run as root. Debian's `nobody`.
const USER: u32 = 65534;
/// The user and the password.
const WORD: &str = "kine";

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// PostgreSQL.
    PostgreSql,
    /// MySQL, as MariaDB.
    MySql,
}

/// A server that takes only TLS. It ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    engine: Engine,
    address: SocketAddr,
    /// The authority that signed its certificate, as PEM text.
    pub authority: String,
    _process: Child,
    _files: TempDir,
}

impl Server {
    /// Starts an empty one at an address that pods reach.
    ///
    /// # Errors
    /// When Debian's package is not installed, or it does not start.
    pub async fn start(engine: Engine, address: IpAddr) -> Result<Self> {
        let files = tempfile::Builder::new().prefix("vcluster-database-").tempdir()?;
        let authority = Authority::make()?;
        let pair = authority.sign(&[], &[address])?;
        own(files.path())?;
        for (name, text) in [
            ("server.crt", pair.certificate.as_str()),
            ("server.key", &pair.key),
            ("ca.crt", &authority.certificate),
            ("password", WORD),
            ("init.sql", MYSQL_USER),
        ] {
            let file = files.path().join(name);
            std::fs::write(&file, text)?;
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600))?;
            own(&file)?;
        }
        // Free now; nobody else is asked to listen at the bed's own address.
        let port = TcpListener::bind((address, 0))?.local_addr()?.port();
        let at = SocketAddr::new(address, port);
        let process = match engine {
            Engine::PostgreSql => postgres(files.path(), address, port).await?,
            Engine::MySql => mysql(files.path(), address, port).await?,
        };
        let server = Self {
            engine,
            address: at,
            authority: authority.certificate,
            _process: process,
            _files: files,
        };
        holds("the database accepts connections", || async {
            Ok(TcpStream::connect(at).await.map(drop)?)
        })
        .await?;
        Ok(server)
    }

    /// How kine finds a database of it and logs in, when it is told the authority too.
    pub fn data_source(&self, database: &str) -> String {
        let address = self.address;
        match self.engine {
            Engine::PostgreSql => format!("postgres://{WORD}:{WORD}@{address}/{database}"),
            Engine::MySql => format!("mysql://{WORD}:{WORD}@tcp({address})/{database}"),
        }
    }

    /// The same for one that is not told the authority: encrypted, and whoever answers is believed.
    pub fn encrypted(&self, database: &str) -> String {
        let wish = match self.engine {
            Engine::PostgreSql => "sslmode=require",
            Engine::MySql => "tls=skip-verify",
        };
        format!("{}?{wish}", self.data_source(database))
    }
}

async fn postgres(files: &Path, address: IpAddr, port: u16) -> Result<Child> {
    let data = files.join("data");
    let password = format!("--pwfile={}", files.join("password").display());
    let mut initdb = program("initdb", "postgresql")?;
    initdb.args(["--username", WORD, "--auth=scram-sha-256", "--locale=C", "--encoding=UTF8"]);
    run(initdb.arg(password).arg("--pgdata").arg(&data)).await?;
    // No line for connections without TLS.
    std::fs::write(data.join("pg_hba.conf"), "hostssl all all all scram-sha-256\n")?;
    let mut postgres = program("postgres", "postgresql")?;
    postgres.arg("-D").arg(&data).arg("-k").arg(files);
    postgres.args(["-h", &address.to_string(), "-p", &port.to_string()]);
    // A kine has up to a dozen, and a suite several kines.
    postgres.args(["-c", "max_connections=400"]);
    for (name, file) in [("ssl_cert_file", "server.crt"), ("ssl_key_file", "server.key")] {
        postgres.arg("-c").arg(format!("{name}={}", files.join(file).display()));
    }
    started(postgres.args(["-c", "ssl=on"]))
}

/// Run by the server at its start.
const MYSQL_USER: &str =
    "CREATE USER kine@'%' IDENTIFIED BY 'kine' REQUIRE SSL;\nGRANT ALL ON *.* TO kine@'%';\n";

async fn mysql(files: &Path, address: IpAddr, port: u16) -> Result<Child> {
    let data = files.join("data");
    // Asked by the next, which does not say that it is missing.
    program("my_print_defaults", "mariadb-client-core")?;
    let mut install = program("mariadb-install-db", "mariadb-server-core")?;
    install.args(["--no-defaults", "--skip-test-db", "--auth-root-authentication-method=normal"]);
    run(install.arg(format!("--datadir={}", data.display()))).await?;
    let mut mariadbd = program("mariadbd", "mariadb-server-core")?;
    mariadbd.args([
        "--no-defaults",
        &format!("--bind-address={address}"),
        &format!("--port={port}"),
        "--max-connections=400",
    ]);
    for (name, file) in [
        ("datadir", "data"),
        ("socket", "socket"),
        ("init-file", "init.sql"),
        ("ssl-ca", "ca.crt"),
        ("ssl-cert", "server.crt"),
        ("ssl-key", "server.key"),
    ] {
        mariadbd.arg(format!("--{name}={}", files.join(file).display()));
    }
    started(&mut mariadbd)
}

fn started(server: &mut Command) -> Result<Child> {
    let quiet = std::process::Stdio::null;
    server.stdout(quiet()).stderr(quiet()).spawn().context("the database cannot be started")
}

/// A program of a Debian package, to be run without rights.
fn program(name: &str, package: &str) -> Result<Command> {
    let found = which::which(name).ok().or_else(|| in_versions(name));
    let path = found.with_context(|| {
        format!("{name} is not installed\nhint: on Debian or Ubuntu: apt-get install {package}")
    })?;
    let mut command = command(path);
    command.uid(USER).gid(USER).current_dir("/").env("LC_ALL", "C");
    Ok(command)
}

/// Debian keeps the versions of PostgreSQL apart, and out of the path.
fn in_versions(name: &str) -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    let mut paths: Vec<PathBuf> =
        versions.map(|version| version.path().join("bin").join(name)).collect();
    paths.extend(["/usr/sbin", "/usr/bin"].map(|folder| Path::new(folder).join(name)));
    paths.into_iter().find(|path| path.exists())
}

fn own(path: &Path) -> Result<()> {
    chown(path, Some(USER), Some(USER))
        .with_context(|| format!("cannot give {} away", path.display()))
}
