//! Builds programs through the Go module proxy, cargo, the C compiler and Debian's packages.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use tokio::process::Command;

use super::command::{command, run};
use super::packages;
use super::programs::{GoStyle, Recipe, Source};
use crate::checkout;

/// Builds a recipe into `out`, with `work` for what is needed on the way.
///
/// # Errors
/// When a tool is missing or fails.
pub async fn build(recipe: &Recipe, work: &Path, out: &Path) -> Result<()> {
    match &recipe.source {
        Source::Go { module, packages, style, files } => {
            let go = Go { module, version: recipe.version, style: *style, work };
            go.require().await?;
            for (package, program) in *packages {
                go.compile(package, &out.join(program)).await?;
            }
            if !files.is_empty() {
                let source = go.source().await?;
                for file in *files {
                    let name = Path::new(file).file_name().context("a file without a name")?;
                    std::fs::copy(source.join(file), out.join(name))
                        .with_context(|| format!("{module} has no {file}"))?;
                }
            }
            Ok(())
        }
        Source::C { module, file } => {
            let go = Go { module, version: recipe.version, style: GoStyle::Pure, work };
            let source = go.source().await?.join(file);
            // pause says its version when asked; the value is part of how it is compiled.
            let version = format!("-DVERSION={}", recipe.version);
            let program = out.join(recipe.name);
            run(command("cc").args(["-Os", "-static", &version, "-o"]).arg(program).arg(source))
                .await
                .map(drop)
        }
        Source::Crate => install(recipe, work, out).await,
        Source::Debian { file } => debian(recipe.name, file, work, out).await,
    }
}

struct Go<'a> {
    module: &'a str,
    version: &'a str,
    style: GoStyle,
    work: &'a Path,
}

impl Go<'_> {
    fn go(&self) -> Command {
        let mut go = command("go");
        // A go.work or GOFLAGS of the user must not change what is built here.
        go.current_dir(self.work).env("GOWORK", "off").env("GOFLAGS", "-mod=mod -buildvcs=false");
        go.env("CGO_ENABLED", if matches!(self.style, GoStyle::StaticC) { "1" } else { "0" });
        go
    }

    async fn run(&self, args: &[&str]) -> Result<String> {
        if which::which("go").is_err() {
            bail!(
                "go is not in PATH\nhint: install Go (https://go.dev/doc/install), the upstream programs are built with it"
            );
        }
        run(self.go().args(args)).await
    }

    /// The module's source in Go's cache.
    async fn source(&self) -> Result<PathBuf> {
        let said = self.run(&["mod", "download", "-json", &self.at_version()]).await?;
        let said: serde_json::Value =
            serde_json::from_str(&said).context("`go mod download -json` gave no JSON")?;
        Ok(said
            .get("Dir")
            .and_then(|dir| dir.as_str())
            .context("`go mod download -json` gave no Dir")?
            .into())
    }

    fn at_version(&self) -> String {
        format!("{}@{}", self.module, self.version)
    }

    /// A module of our own that requires this one, with the replacements that it needs itself.
    async fn require(&self) -> Result<()> {
        self.run(&["mod", "init", "testbed/build"]).await?;
        let go_mod = self.source().await?.join("go.mod");
        let go_mod = std::fs::read_to_string(&go_mod)
            .with_context(|| format!("cannot read {}", go_mod.display()))?;
        let replaced: Vec<String> = replacements(&go_mod, self.version)
            .into_iter()
            .map(|replacement| format!("-replace={replacement}"))
            .collect();
        if !replaced.is_empty() {
            let words: Vec<&str> =
                ["mod", "edit"].into_iter().chain(replaced.iter().map(String::as_str)).collect();
            self.run(&words).await?;
        }
        self.run(&["get", &self.at_version()]).await.map(drop)
    }

    async fn compile(&self, package: &str, program: &Path) -> Result<()> {
        let program = program.to_str().context("the cache's path is not UTF-8")?;
        let mut args = vec!["build", "-trimpath", "-o", program];
        let ldflags = self.ldflags();
        args.extend(["-ldflags", &ldflags]);
        if matches!(self.style, GoStyle::StaticC) {
            args.extend(["-tags", "osusergo netgo sqlite_omit_load_extension"]);
        }
        args.push(package);
        self.run(&args).await.map(drop)
    }

    fn ldflags(&self) -> String {
        match self.style {
            GoStyle::Pure => "-s -w".into(),
            GoStyle::Old => "-s -w -checklinkname=0".into(),
            GoStyle::StaticC => "-s -w -linkmode external -extldflags \"-static\"".into(),
            // Without these the programs say v0.0.0-master, and clients misjudge them.
            GoStyle::Kubernetes => {
                let set = |name: &str, value: &str| {
                    format!(" -X k8s.io/component-base/version.{name}={value}")
                };
                let mut parts = self.version.trim_start_matches('v').split('.');
                let major = parts.next().unwrap_or_default();
                let minor = parts.next().unwrap_or_default();
                format!(
                    "-s -w{}{}{}",
                    set("gitVersion", self.version),
                    set("gitMajor", major),
                    set("gitMinor", minor)
                )
            }
        }
    }
}

/// A go.mod's replacements, as `go mod edit -replace` takes them. Go heeds those of the main module only.
///
/// Kubernetes replaces its staging modules by folders of its repository; they are published as `v0.MINOR.PATCH`.
/// Other folders are modules that are published under the version that is required anyway.
fn replacements(go_mod: &str, version: &str) -> Vec<String> {
    let lines = go_mod.lines().filter_map(|line| line.split_once("=>"));
    lines
        .filter_map(|(old, new)| {
            let old = old.trim().trim_start_matches("replace").split_whitespace().next()?;
            let mut new = new.split_whitespace();
            let path = new.next()?;
            if path.starts_with("./staging/") {
                return Some(format!("{old}={old}@{}", version.replacen("v1.", "v0.", 1)));
            }
            let version = new.next().filter(|word| word.starts_with('v'))?;
            Some(format!("{old}={path}@{version}"))
        })
        .collect()
}

/// A crate's program, with the dependencies that it was published with. Not optimized, which takes several times as long as
/// what is done with it.
async fn install(recipe: &Recipe, work: &Path, out: &Path) -> Result<()> {
    let (root, target) = (work.join("root"), work.join("target"));
    let args = ["install", recipe.name, "--version", recipe.version, "--locked"];
    let mut cargo = checkout::cargo(&args)?;
    cargo.current_dir(work).arg("--root").arg(&root).arg("--target-dir").arg(target);
    cargo.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0").env("CARGO_PROFILE_RELEASE_LTO", "off");
    run(&mut cargo).await?;
    let program = root.join("bin").join(recipe.name);
    std::fs::copy(&program, out.join(recipe.name))
        .with_context(|| format!("crate {} has no program of that name", recipe.name))
        .map(drop)
}

async fn debian(package: &str, file: &str, work: &Path, out: &Path) -> Result<()> {
    let download = || async {
        run(command("apt-get").current_dir(work).args(["download", "--quiet", package])).await
    };
    if download().await.is_err() {
        packages::refresh().await?;
        download().await?;
    }
    let entries = std::fs::read_dir(work)?.collect::<Result<Vec<_>, _>>()?;
    let archive = entries
        .iter()
        .map(std::fs::DirEntry::path)
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .with_context(|| format!("`apt-get download {package}` left no .deb"))?;
    let tree = work.join("tree");
    run(command("dpkg-deb").arg("--extract").arg(&archive).arg(&tree)).await?;
    // /bin may be a link to /usr/bin in newer packages.
    let found = [tree.join(file), tree.join("usr").join(file)]
        .into_iter()
        .find(|path| path.exists())
        .with_context(|| format!("package {package} has no {file}"))?;
    let name = found.file_name().context("a file without a name")?;
    std::fs::copy(&found, out.join(name))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replacements_by_published_modules_are_taken_over() {
        let go_mod = "module k8s.io/kubernetes\n\nreplace (\n\tk8s.io/api => ./staging/src/k8s.io/api\n\tk8s.io/api => ../api\n)\n\
                      replace k8s.io/kubelet => ./staging/src/k8s.io/kubelet\nreplace example.com/a v1.2.3 => example.com/b v1.0.0 // why\n";
        assert_eq!(
            replacements(go_mod, "v1.34.4"),
            [
                "k8s.io/api=k8s.io/api@v0.34.4",
                "k8s.io/kubelet=k8s.io/kubelet@v0.34.4",
                "example.com/a=example.com/b@v1.0.0"
            ]
        );
    }
}
