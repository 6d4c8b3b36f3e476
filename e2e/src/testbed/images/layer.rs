//! One layer of an image: a reproducible tar.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use tar::{Builder, EntryType, Header};

/// `security.capability` as the kernel stores it (`vfs_cap_data` of `linux/capability.h`, revision 2, effective):
/// `cap_net_bind_service` (10) permitted, nothing inheritable.
const NET_BIND_SERVICE: [u8; 20] = [
    0x01, 0, 0, 0x02, // magic: revision 2, effective bit
    0, 0x04, 0, 0, // permitted, low word: 1 << 10
    0, 0, 0, 0, // inheritable, low word
    0, 0, 0, 0, // permitted, high word
    0, 0, 0, 0, // inheritable, high word
];
/// How GNU tar and containerd name that attribute in a PAX header.
const CAPABILITY_KEY: &str = "SCHILY.xattr.security.capability";

/// What a layer holds, in the order it is written.
#[derive(Debug, Default, Clone)]
pub struct Layer {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    path: String,
    mode: u32,
    owner: u32,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Dir,
    Link(String),
    Text(String),
    Program { source: PathBuf, binds_low_ports: bool },
}

impl Layer {
    /// A layer without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a directory.
    #[must_use]
    pub fn dir(self, path: &str, mode: u32, owner: u32) -> Self {
        self.with(path, mode, owner, What::Dir)
    }

    /// Adds a file with the given text, readable by all.
    #[must_use]
    pub fn text(self, path: &str, text: &str) -> Self {
        self.with(path, 0o644, 0, What::Text(text.into()))
    }

    /// Adds a symbolic link.
    #[must_use]
    pub fn link(self, path: &str, target: &str) -> Self {
        self.with(path, 0o777, 0, What::Link(target.into()))
    }

    /// Adds a program that lies at `source`.
    #[must_use]
    pub fn program(self, path: &str, source: PathBuf) -> Self {
        self.with(path, 0o755, 0, What::Program { source, binds_low_ports: false })
    }

    /// Adds a program with the file capability `cap_net_bind_service=ep`.
    #[must_use]
    pub fn low_port_program(self, path: &str, source: PathBuf) -> Self {
        self.with(path, 0o755, 0, What::Program { source, binds_low_ports: true })
    }

    fn with(mut self, path: &str, mode: u32, owner: u32, what: What) -> Self {
        self.entries.push(Entry { path: path.trim_start_matches('/').into(), mode, owner, what });
        self
    }

    /// Writes the layer's tar.
    ///
    /// # Errors
    /// When a program cannot be read, or `out` not written.
    pub fn write(&self, out: impl Write) -> Result<()> {
        let mut tar = Builder::new(out);
        for entry in &self.entries {
            entry
                .write(&mut tar)
                .with_context(|| format!("cannot write {} into the image", entry.path))?;
        }
        tar.into_inner()?.flush()?;
        Ok(())
    }
}

impl Entry {
    fn write(&self, tar: &mut Builder<impl Write>) -> Result<()> {
        match &self.what {
            What::Dir => tar.append_data(
                &mut self.header(EntryType::Directory, 0),
                format!("{}/", self.path),
                io::empty(),
            )?,
            What::Link(target) => {
                tar.append_link(&mut self.header(EntryType::Symlink, 0), &self.path, target)?
            }
            What::Text(text) => {
                let size = u64::try_from(text.len())?;
                tar.append_data(
                    &mut self.header(EntryType::Regular, size),
                    &self.path,
                    text.as_bytes(),
                )?;
            }
            What::Program { source, binds_low_ports } => {
                let (file, size) = open(source)?;
                if *binds_low_ports {
                    tar.append_pax_extensions([(CAPABILITY_KEY, NET_BIND_SERVICE.as_slice())])?;
                }
                tar.append_data(&mut self.header(EntryType::Regular, size), &self.path, file)?;
            }
        }
        Ok(())
    }

    fn header(&self, kind: EntryType, size: u64) -> Header {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_mode(self.mode);
        header.set_uid(self.owner.into());
        header.set_gid(self.owner.into());
        header.set_mtime(0);
        header
    }
}

fn open(source: &Path) -> Result<(File, u64)> {
    let file = File::open(source).with_context(|| format!("cannot read {}", source.display()))?;
    let size = file.metadata()?.len();
    Ok((file, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_low_port_program_carries_its_capability_in_a_pax_header() {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("program");
        std::fs::write(&source, "x").unwrap();
        let mut out = Vec::new();
        Layer::new()
            .program("/plain", source.clone())
            .low_port_program("/bin/low", source)
            .write(&mut out)
            .unwrap();
        let mut archive = tar::Archive::new(out.as_slice());
        let mut seen = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let capability = entry.pax_extensions().unwrap().map(|extensions| {
                let extension = extensions.into_iter().next().unwrap().unwrap();
                (extension.key().unwrap().to_owned(), extension.value_bytes().to_vec())
            });
            seen.push((entry.path().unwrap().display().to_string(), capability));
        }
        assert_eq!(
            seen,
            [
                ("plain".to_owned(), None),
                (
                    "bin/low".to_owned(),
                    Some((CAPABILITY_KEY.to_owned(), NET_BIND_SERVICE.to_vec()))
                )
            ]
        );
    }
}
