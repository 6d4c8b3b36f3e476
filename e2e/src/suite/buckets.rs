//! MinIO beside the host cluster: S3-compatible storage, started for one promise, stopped with it.

use std::net::TcpListener;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::Child;

use super::certificates::Authority;
use super::holds::holds;
use super::sample;
use super::space::Space;
use crate::testbed::{TestBed, command};

/// Who may write, and the password.
const KEYS: [&str; 2] = ["someone", "something-secret"];
const BUCKET: &str = "backups";
/// The Secrets that [`Storage::told`] makes.
const CREDENTIAL: &str = "storage";
const AUTHORITY: &str = "storage-tls";

/// A server that takes only TLS, with an empty bucket. It ends when this is dropped.
pub struct Storage {
    endpoint: String,
    authority: String,
    files: TempDir,
    _process: Child,
}

impl Storage {
    /// Starts it at an address that pods reach.
    ///
    /// # Errors
    /// When it cannot be built, or does not start.
    pub async fn start(bed: &TestBed) -> Result<Self> {
        let program = bed.minio().await?;
        let address = bed.layout.root_ip();
        let files = tempfile::Builder::new().prefix("vcluster-storage-").tempdir()?;
        let authority = Authority::make()?;
        let pair = authority.sign(&[], &[address])?;
        // A folder is a bucket.
        for folder in ["certs", "data", &format!("data/{BUCKET}")] {
            std::fs::create_dir(files.path().join(folder))?;
        }
        for (name, text) in [("public.crt", pair.certificate), ("private.key", pair.key)] {
            std::fs::write(files.path().join("certs").join(name), text)?;
        }
        // Free now; nobody else is asked to listen at the bed's own address.
        let at = TcpListener::bind((address, 0))?.local_addr()?;
        let mut server = command(program);
        server.current_dir(files.path()).env("HOME", files.path());
        server.env("MINIO_ROOT_USER", KEYS[0]).env("MINIO_ROOT_PASSWORD", KEYS[1]);
        server.env("MINIO_BROWSER", "off").env("MINIO_UPDATE", "off");
        server.args(["server", "--quiet", "--address", &at.to_string()]);
        server.arg("--certs-dir").arg(files.path().join("certs")).arg(files.path().join("data"));
        let process = server
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(files.path().join("log"))?)
            .spawn()
            .context("MinIO cannot be started")?;
        let endpoint = format!("https://{at}");
        let storage = Self { endpoint, authority: authority.certificate, files, _process: process };
        holds("MinIO accepts connections", || async {
            Ok(TcpStream::connect(at).await.map(drop)?)
        })
        .await?;
        Ok(storage)
    }

    /// Makes what a control plane in this namespace needs to come here, and answers its options.
    ///
    /// # Errors
    /// When the host refuses the Secrets.
    pub async fn told(&self, host: &Space) -> Result<Value> {
        let keys = json!({ "access-key-id": KEYS[0], "secret-access-key": KEYS[1] });
        host.apply(&sample::secret(CREDENTIAL, keys)).await?;
        host.apply(&sample::secret(AUTHORITY, json!({ "ca.crt": self.authority }))).await?;
        Ok(json!({
            "bucket": BUCKET,
            "endpoint": self.endpoint,
            "credential": { "secretName": CREDENTIAL },
            "tlsSecret": AUTHORITY,
        }))
    }

    /// Checks that there is something in a folder of the bucket.
    ///
    /// # Errors
    /// When there is not.
    pub fn holds_something(&self, path: &str) -> Result<()> {
        let folder = self.files.path().join("data").join(BUCKET).join(path);
        let mut found = std::fs::read_dir(&folder)
            .with_context(|| format!("the bucket has no folder {path}"))?;
        ensure!(found.next().is_some(), "folder {path} of the bucket is empty");
        Ok(())
    }
}
