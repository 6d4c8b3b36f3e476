//! `syncer hosts`: gives a pod its full name in `/etc/hosts`, as an init container of tenant pods with a subdomain.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;

/// Arguments of `syncer hosts`.
#[derive(Debug, Clone, clap::Args)]
pub struct HostsArgs {
    /// The file that the kubelet wrote.
    #[arg(long, default_value = "/etc/hosts")]
    from: PathBuf,
    /// The file that the pod's containers get to see; written in place, since it may be mounted already.
    #[arg(long)]
    to: PathBuf,
    /// The pod's host name.
    #[arg(long)]
    hostname: String,
    /// Its full name inside the virtual cluster.
    #[arg(long)]
    fqdn: String,
}

/// Copies the file with the full name added.
///
/// # Errors
/// When one of the files cannot be read or written.
pub fn run(args: &HostsArgs) -> anyhow::Result<()> {
    let text = fs::read_to_string(&args.from)
        .with_context(|| format!("{} cannot be read", args.from.display()))?;
    let text = rewritten(&text, &args.hostname, &args.fqdn);
    fs::write(&args.to, text).with_context(|| format!("{} cannot be written", args.to.display()))
}

/// The text with the full name first in every line that is an address and exactly the host name. `hostname -f` answers
/// with the first name.
fn rewritten(text: &str, hostname: &str, fqdn: &str) -> String {
    let lines = text.lines().map(|line| {
        let mut words = line.split_whitespace();
        match (words.next(), words.next(), words.next()) {
            (Some(address), Some(name), None) if name == hostname && !address.starts_with('#') => {
                format!("{address}\t{fqdn}\t{name}\n")
            }
            _ => format!("{line}\n"),
        }
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_pods_own_lines_change() {
        let text = "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n10.1.2.3\tweb-0\nfd00::3  web-0\n\
                    10.1.2.4\tweb-0 other\n10.1.2.5\tweb-00\n";
        let wanted = "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n10.1.2.3\tweb-0.web.shop.svc.cluster.local\tweb-0\n\
                      fd00::3\tweb-0.web.shop.svc.cluster.local\tweb-0\n10.1.2.4\tweb-0 other\n10.1.2.5\tweb-00\n";
        assert_eq!(rewritten(text, "web-0", "web-0.web.shop.svc.cluster.local"), wanted);
    }
}
