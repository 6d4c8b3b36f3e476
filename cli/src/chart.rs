//! The chart that is part of this program, and where others come from.

use std::io::Write;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::error::{CliError, Kind, Result};
use crate::helm::Chart;

/// The chart as helm takes it.
const EMBEDDED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/chart.tgz"));

/// Version of that chart and of this program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Where released charts are, when a version other than the embedded one is asked for. The only place that says so.
const REPOSITORY: &str = "oci://ghcr.io/vcluster-rs/charts";

/// Name of the chart.
pub const NAME: &str = "vcluster";

/// What the user says about the chart.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// `--chart-version`
    pub version: Option<String>,
    /// `--chart-name`
    pub name: Option<String>,
    /// `--chart-repo`
    pub repository: Option<String>,
    /// `--local-chart-dir`
    pub folder: Option<PathBuf>,
}

/// A chart that helm can be pointed at.
#[derive(Debug)]
pub struct Ready {
    /// For helm.
    pub chart: Chart,
    /// It is the one in this program, so this program knows its values.
    pub embedded: bool,
    /// The folder that holds it while helm runs.
    _folder: Option<TempDir>,
}

/// Unpacks the embedded chart, or says where the wanted one is.
///
/// # Errors
/// When the folder is not there, or no temporary file can be written.
pub fn ready(wish: &Wish) -> Result<Ready> {
    if let Some(folder) = &wish.folder {
        if !folder.join("Chart.yaml").is_file() && !folder.is_file() {
            return Err(CliError::new(
                Kind::NotFound,
                format!("there is no chart in {}", folder.display()),
            )
            .because("it has no Chart.yaml"));
        }
        // A bare relative name would be looked up in helm's repositories.
        let path = std::path::absolute(folder).unwrap_or_else(|_| folder.clone());
        return Ok(Ready { chart: Chart::Local(path), embedded: false, _folder: None });
    }
    if is_embedded(wish) {
        let fail =
            |error: std::io::Error| CliError::failed("cannot unpack the chart").cause(&error);
        let folder = tempfile::Builder::new().prefix("vcluster-chart-").tempdir().map_err(fail)?;
        let path = folder.path().join(format!("{NAME}-{VERSION}.tgz"));
        std::fs::File::create(&path).and_then(|mut file| file.write_all(EMBEDDED)).map_err(fail)?;
        return Ok(Ready { chart: Chart::Local(path), embedded: true, _folder: Some(folder) });
    }
    Ok(Ready {
        chart: Chart::Repository {
            name: wish.name.clone().unwrap_or_else(|| NAME.to_owned()),
            repository: wish.repository.clone().unwrap_or_else(|| REPOSITORY.to_owned()),
            version: wish
                .version
                .as_deref()
                .map(|version| version.trim_start_matches('v').to_owned()),
        },
        embedded: false,
        _folder: None,
    })
}

fn is_embedded(wish: &Wish) -> bool {
    let version = wish.version.as_deref().map(|version| version.trim_start_matches('v'));
    wish.repository.is_none()
        && wish.name.as_deref().is_none_or(|name| name == NAME)
        && version.is_none_or(|version| version == VERSION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_wish_the_chart_comes_from_the_program() {
        let ready = ready(&Wish::default()).unwrap();
        assert!(ready.embedded);
        let Chart::Local(path) = &ready.chart else { panic!("{:?}", ready.chart) };
        assert!(path.is_absolute() && path.is_file());
        let path = path.clone();
        drop(ready);
        assert!(!path.exists());
    }

    #[test]
    fn another_version_comes_from_the_repository() {
        let wish = Wish { version: Some("v0.0.9".into()), ..Wish::default() };
        let ready = ready(&wish).unwrap();
        assert_eq!(
            ready.chart,
            Chart::Repository {
                name: "vcluster".into(),
                repository: REPOSITORY.into(),
                version: Some("0.0.9".into())
            }
        );
        assert!(!ready.embedded);
        assert!(is_embedded(&Wish { version: Some(format!("v{VERSION}")), ..Wish::default() }));
    }

    #[test]
    fn a_folder_must_hold_a_chart() {
        let folder = tempfile::tempdir().unwrap();
        let wish = Wish { folder: Some(folder.path().to_path_buf()), ..Wish::default() };
        assert_eq!(ready(&wish).unwrap_err().kind, Kind::NotFound);
        std::fs::write(folder.path().join("Chart.yaml"), "").unwrap();
        assert!(matches!(ready(&wish).unwrap().chart, Chart::Local(path) if path.is_absolute()));
    }
}
