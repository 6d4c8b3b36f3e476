//! Every key path of the Go vcluster's charts: facts, one a line.

use vcluster_config::render::Upstream;

pub fn charts() -> Vec<Upstream> {
    [
        ("0.20 (August 2024)", include_str!("schema-0.20.txt")),
        ("0.37 (August 2026)", include_str!("schema-head.txt")),
    ]
    .map(|(name, paths)| Upstream { name, paths: paths.lines().map(str::to_owned).collect() })
    .into()
}
