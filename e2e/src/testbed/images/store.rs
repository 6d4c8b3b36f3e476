//! Images inside containerd: imported once into a root of its own, which every node starts with a copy of.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::process::Command;

use super::archive::Image;
use super::catalog;
use crate::testbed::command::{command, run};
use crate::testbed::layout::{Layout, Node};
use crate::testbed::nodes::containerd_config;
use crate::testbed::programs::Programs;
use crate::testbed::progress::Progress;
use crate::testbed::wait::until;

/// A containerd root that holds all images, unpacked.
#[derive(Debug, Clone)]
pub struct Seed {
    dir: PathBuf,
}

impl Seed {
    /// The seed for these programs, made when it is not in the cache. The caller holds the cache's lock.
    ///
    /// # Errors
    /// When an image cannot be built or imported.
    pub async fn ready(layout: &Layout, programs: &Programs, progress: &Progress) -> Result<Self> {
        let seeds = layout.cache().join("images");
        let images = catalog::all(programs)?;
        let dir = seeds.join(catalog::key(&images));
        if !dir.exists() {
            std::fs::create_dir_all(&seeds)
                .with_context(|| format!("cannot make {}", seeds.display()))?;
            // Seeds are large and quickly made again: only the current one is kept.
            for old in std::fs::read_dir(&seeds)? {
                let _ = std::fs::remove_dir_all(old?.path());
            }
            progress.step("building images", make(images, &seeds, &dir)).await?;
        }
        Ok(Self { dir })
    }

    /// Gives a node a root with these images.
    ///
    /// Content and snapshots are never changed in place, so hard links will do; the databases are copied.
    ///
    /// # Errors
    /// When files cannot be linked or copied.
    pub async fn plant(&self, root: &Path) -> Result<()> {
        let linked =
            run(command("cp").args(["--archive", "--link"]).arg(&self.dir).arg(root)).await;
        if linked.is_err() {
            // Another file system than the cache's.
            let _ = std::fs::remove_dir_all(root);
            return run(command("cp").arg("--archive").arg(&self.dir).arg(root)).await.map(drop);
        }
        for database in databases(&self.dir)? {
            let own = root.join(database.strip_prefix(&self.dir)?);
            std::fs::remove_file(&own)?;
            std::fs::copy(&database, &own)
                .with_context(|| format!("cannot copy {}", database.display()))?;
        }
        Ok(())
    }
}

/// Imports an image archive into a running node.
///
/// # Errors
/// When the archive is not one, or the node's containerd is down.
pub async fn load(node: &Node, archive: &Path) -> Result<()> {
    import(&node.containerd_socket(), archive)
        .await
        .with_context(|| format!("cannot load {} into {}", archive.display(), node.name))
}

/// Whether a running node has an image of this name.
///
/// # Errors
/// When its containerd is down.
pub async fn has(node: &Node, image: &str) -> Result<bool> {
    let socket = node.containerd_socket();
    let names =
        run(ctr_images(&socket).args(["list", "--quiet"]).arg(format!("name=={image}"))).await;
    let names = names.with_context(|| format!("cannot look for {image} on {}", node.name))?;
    Ok(!names.trim().is_empty())
}

/// Writes an image that a running node has to an archive.
///
/// # Errors
/// When it has none of that name, or its containerd is down.
pub async fn export(node: &Node, image: &str, archive: &Path) -> Result<()> {
    let socket = node.containerd_socket();
    let exported = run(ctr_images(&socket).arg("export").arg(archive).arg(image)).await;
    exported.map(drop).with_context(|| format!("cannot take {image} from {}", node.name))
}

async fn import(socket: &Path, archive: &Path) -> Result<()> {
    run(ctr_images(socket).arg("import").arg(archive)).await.map(drop)
}

/// containerd's client, for the images that the kubelet sees.
fn ctr_images(socket: &Path) -> Command {
    let mut ctr = command("ctr");
    ctr.arg("--address").arg(socket).args(["--namespace", "k8s.io", "images"]);
    ctr
}

async fn make(images: Vec<Image>, seeds: &Path, dir: &Path) -> Result<()> {
    let work = tempfile::Builder::new().prefix(".making-").tempdir_in(seeds)?;
    let root = work.path().join("root");
    let socket = work.path().join("s");
    let config = work.path().join("containerd.toml");
    std::fs::write(&config, containerd_config(&root, &work.path().join("run"), &socket, None))?;
    let log = std::fs::File::create(work.path().join("log"))?;
    let mut containerd = command("containerd")
        .arg("--config")
        .arg(&config)
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .context("cannot start containerd")?;
    let filled = fill(images, work.path(), &socket).await;
    let pid = containerd
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)
            .context("cannot stop containerd")?;
    }
    containerd.wait().await.context("cannot wait for containerd")?;
    filled.with_context(|| {
        let said = std::fs::read_to_string(work.path().join("log")).unwrap_or_default();
        format!("containerd said:\n{}", crate::testbed::command::tail(&said, 10))
    })?;
    std::fs::rename(&root, dir).with_context(|| format!("cannot make {}", dir.display()))
}

async fn fill(images: Vec<Image>, work: &Path, socket: &Path) -> Result<()> {
    until("containerd", Duration::from_secs(20), || async { Ok(socket.exists()) }).await?;
    let archive = work.join("image.tar");
    for image in images {
        save(image, &archive).await?;
        import(socket, &archive).await?;
    }
    Ok(())
}

/// Writes an image without holding up what else runs.
///
/// # Errors
/// As [`Image::save`].
pub async fn save(image: Image, path: &Path) -> Result<()> {
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || image.save(&path))
        .await
        .context("an image was not written")?
}

/// containerd's bolt databases.
fn databases(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for plugin in std::fs::read_dir(root)? {
        let plugin = plugin?.path();
        if !plugin.is_dir() {
            continue;
        }
        for file in std::fs::read_dir(&plugin)? {
            let file = file?.path();
            if file.extension().is_some_and(|extension| extension == "db") {
                found.push(file);
            }
        }
    }
    Ok(found)
}
