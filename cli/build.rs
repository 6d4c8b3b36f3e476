//! Packs the chart into the program, so that `vcluster create` needs no chart repository and no network.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

fn main() -> Result<(), Box<dyn Error>> {
    let chart = Path::new("../charts/vcluster");
    println!("cargo::rerun-if-changed={}", chart.display());
    if !chart.join("Chart.yaml").is_file() {
        return Err(format!("there is no chart in {}", chart.display()).into());
    }
    let target =
        PathBuf::from(std::env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?).join("chart.tgz");
    let mut archive =
        tar::Builder::new(GzEncoder::new(fs::File::create(target)?, Compression::best()));
    let mut files = Vec::new();
    collect(chart, &mut files)?;
    files.sort();
    for file in files {
        // Helm wants everything below one folder named after the chart; times and owners would make builds differ.
        let name = Path::new("vcluster").join(file.strip_prefix(chart)?);
        let content = fs::read(&file)?;
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(1);
        header.set_cksum();
        archive.append_data(&mut header, name, content.as_slice())?;
    }
    archive.into_inner()?.finish()?;
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.is_dir() {
            collect(&path, files)?;
        } else if !hidden || path.ends_with(".helmignore") {
            files.push(path);
        }
    }
    Ok(())
}
