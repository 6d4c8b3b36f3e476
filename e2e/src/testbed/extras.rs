//! Programs that no bed needs to run, for checks and for promises of the long kind: built when one asks for them, and
//! cached as the others are.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::images;
use super::layout::Layout;
use super::lock;
use super::programs::{self, Recipe, Source};
use super::progress::Progress;
use super::{TestBed, up};

/// Litestream's version.
const LITESTREAM: &str = "v0.5.18";

const LITESTREAM_RECIPE: Recipe = programs::go(
    "litestream",
    LITESTREAM,
    "github.com/benbjohnson/litestream",
    &[("github.com/benbjohnson/litestream/cmd/litestream", "litestream")],
);

/// MinIO's releases are no versions in the sense of Go.
const MINIO_RECIPE: Recipe = programs::go(
    "minio",
    "v0.0.0-20260212201848-7aac2a2c5b7c",
    "github.com/minio/minio",
    &[("github.com/minio/minio", "minio")],
);

const KUBECONFORM_RECIPE: Recipe = programs::go(
    "kubeconform",
    "v0.7.0",
    "github.com/yannh/kubeconform",
    &[("github.com/yannh/kubeconform/cmd/kubeconform", "kubeconform")],
);

const CARGO_DENY_RECIPE: Recipe =
    Recipe { name: "cargo-deny", version: "0.20.2", source: Source::Crate };

impl TestBed {
    /// kubeconform, which checks objects against schemas; built unless it is in the cache.
    ///
    /// # Errors
    /// When it cannot be built.
    pub async fn kubeconform(&self) -> Result<PathBuf> {
        program(&KUBECONFORM_RECIPE, &self.layout, &Progress::new()).await
    }

    /// cargo-deny, which judges dependencies; built unless it is in the cache.
    ///
    /// # Errors
    /// When it cannot be built.
    pub async fn cargo_deny(&self) -> Result<PathBuf> {
        program(&CARGO_DENY_RECIPE, &self.layout, &Progress::new()).await
    }

    /// Builds Litestream, unless it is in the cache, and loads its image into all real nodes.
    ///
    /// # Errors
    /// When it cannot be built or loaded.
    pub async fn load_litestream(&self) -> Result<()> {
        let progress = Progress::new();
        let program = program(&LITESTREAM_RECIPE, &self.layout, &progress).await?;
        let image = images::litestream(LITESTREAM, program);
        progress.step("loading Litestream's image", up::load_image(&self.nodes, image)).await
    }

    /// MinIO's server, built unless it is in the cache.
    ///
    /// # Errors
    /// When it cannot be built.
    pub async fn minio(&self) -> Result<PathBuf> {
        program(&MINIO_RECIPE, &self.layout, &Progress::new()).await
    }
}

async fn program(recipe: &Recipe, layout: &Layout, progress: &Progress) -> Result<PathBuf> {
    let _lock = lock::exclusive(&layout.cache_lock_file())?;
    let program = programs::built(recipe, layout, progress).await?.join(recipe.name);
    program.exists().then_some(&program).with_context(|| {
        format!("{} is missing; remove its folder to build it again", program.display())
    })?;
    Ok(program)
}

#[cfg(test)]
mod tests {
    use vcluster_config::images::LITESTREAM_VERSION;

    #[test]
    fn litestream_is_the_one_that_the_chart_asks_for() {
        let version = super::LITESTREAM.trim_start_matches('v');
        assert_eq!(LITESTREAM_VERSION, format!("{version}-scratch"));
    }
}
