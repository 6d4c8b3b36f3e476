//! An image as one file: the docker-archive form, which every engine and `ctr images import` take.

use std::fs::File;
use std::io::{self, BufWriter, Seek as _, SeekFrom, Write};
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::layer::Layer;

/// An image: names, settings, layers.
#[derive(Debug, Default, Clone)]
pub struct Image {
    /// All its names with tags, in full (`docker.io/library/busybox:1.36`).
    pub names: Vec<String>,
    /// From the lowest up.
    pub layers: Vec<Layer>,
    /// The program, as a list of words.
    pub entrypoint: Vec<String>,
    /// Its default arguments.
    pub cmd: Vec<String>,
    /// `UID`, `UID:GID` or a name in the image's passwd file; empty for root.
    pub user: String,
    /// The working directory; empty for `/`.
    pub workdir: String,
    /// Directories that the engine makes volumes of.
    pub volumes: Vec<String>,
}

impl Image {
    /// Writes the image to `path`.
    ///
    /// # Errors
    /// When a layer's program cannot be read, or the file not written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let file =
            File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        let mut out = tar::Builder::new(BufWriter::new(file));
        let mut digests = Vec::new();
        let mut layer_names = Vec::new();
        for (index, layer) in self.layers.iter().enumerate() {
            let mut spool =
                Hashing::new(tempfile::tempfile_in(path.parent().unwrap_or(Path::new(".")))?);
            layer.write(&mut spool)?;
            let (mut spooled, digest) = spool.finish()?;
            let name = format!("{index}.tar");
            add(&mut out, &name, spooled.metadata()?.len(), &mut spooled)?;
            digests.push(format!("sha256:{digest}"));
            layer_names.push(name);
        }
        let config = self.config(&digests).to_string();
        let config_name = format!("{}.json", hex(&Sha256::digest(&config)));
        add(&mut out, &config_name, u64::try_from(config.len())?, &mut config.as_bytes())?;
        let manifest =
            json!([{ "Config": config_name, "RepoTags": self.names, "Layers": layer_names }])
                .to_string();
        add(&mut out, "manifest.json", u64::try_from(manifest.len())?, &mut manifest.as_bytes())?;
        out.into_inner()?.flush()?;
        Ok(())
    }

    fn config(&self, digests: &[String]) -> serde_json::Value {
        let volumes: serde_json::Map<String, serde_json::Value> =
            self.volumes.iter().map(|volume| (volume.clone(), json!({}))).collect();
        json!({
            "architecture": architecture(),
            "os": "linux",
            "config": {
                "Entrypoint": self.entrypoint,
                "Cmd": self.cmd,
                "User": self.user,
                "WorkingDir": self.workdir,
                "Volumes": volumes,
                "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            },
            "rootfs": { "type": "layers", "diff_ids": digests },
            "history": digests.iter().map(|_| json!({ "created_by": "vcluster test bed" })).collect::<Vec<_>>(),
        })
    }
}

/// This machine's architecture as images name it.
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn add(
    out: &mut tar::Builder<impl Write>,
    name: &str,
    size: u64,
    content: &mut dyn io::Read,
) -> Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_size(size);
    header.set_mode(0o644);
    out.append_data(&mut header, name, content)
        .with_context(|| format!("cannot write {name} of an image"))
}

/// Writes to a file and hashes on the way.
struct Hashing {
    file: BufWriter<File>,
    hash: Sha256,
}

impl Hashing {
    fn new(file: File) -> Self {
        Self { file: BufWriter::new(file), hash: Sha256::new() }
    }

    /// The file, at its start, and the hash in hexadecimal.
    fn finish(self) -> Result<(File, String)> {
        let mut file = self.file.into_inner().context("cannot write a layer")?;
        file.seek(SeekFrom::Start(0))?;
        Ok((file, hex(&self.hash.finalize())))
    }
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or(bytes));
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
