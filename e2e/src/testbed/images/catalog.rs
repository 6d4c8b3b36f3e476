//! The images that a bed starts with: the same names, paths, users and entrypoints as the public ones.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use sha2::{Digest as _, Sha256};
use vcluster_config::images::{
    EKS_COREDNS_REPOSITORY, EKS_COREDNS_VERSION, EKS_ETCD_REPOSITORY, EKS_ETCD_VERSION,
    EKS_KUBERNETES_REPOSITORY, EKS_REGISTRY, EKS_VERSION, LITESTREAM_REPOSITORY,
};

use super::archive::{Image, hex};
use super::layer::Layer;
use crate::testbed::programs::{
    COREDNS, ETCD, KINE, KUBERNETES, LOCAL_PATH, METALLB, METRICS_SERVER, Programs,
};

/// Unprivileged users as distroless images number them.
const NOBODY: u32 = 65534;
const NONROOT: u32 = 65532;

/// All images of a bed.
///
/// # Errors
/// When a program is missing, or busybox does not say its applets.
pub fn all(programs: &Programs) -> Result<Vec<Image>> {
    let mut images = vec![
        kubernetes(programs, "kube-apiserver")?,
        kubernetes(programs, "kube-controller-manager")?,
        kubernetes(programs, "kube-scheduler")?,
        etcd(programs)?,
        kine(programs)?,
        coredns(programs)?,
        pause(programs)?,
        metrics_server(programs)?,
        metallb(programs, "controller")?,
        metallb(programs, "speaker")?,
    ];
    let busybox = busybox(&programs.path("busybox-static", "busybox")?)?;
    images.push(agnhost(programs, &busybox)?);
    images.push(local_path(programs, &busybox)?);
    images.push(Image {
        names: vec![
            "docker.io/library/busybox:1.36".into(),
            "docker.io/library/busybox:latest".into(),
        ],
        layers: vec![busybox],
        cmd: vec!["sh".into()],
        ..Image::default()
    });
    Ok(images)
}

/// What identifies a set of images: their whole description, in which every program's path names its build.
pub fn key(images: &[Image]) -> String {
    let digest = hex(&Sha256::digest(format!("{images:?}")));
    digest.chars().take(12).collect()
}

/// No shell, nothing but the program: as the images of Kubernetes' own release.
fn kubernetes(programs: &Programs, program: &str) -> Result<Image> {
    let source = programs.path("kubernetes", program)?;
    let path = format!("/usr/local/bin/{program}");
    let base = bare().dir("/usr/local", 0o755, 0).dir("/usr/local/bin", 0o755, 0);
    let layer = if program == "kube-apiserver" {
        base.low_port_program(&path, source)
    } else {
        base.program(&path, source)
    };
    // The public ones have an entrypoint /go-runner, which nobody's chart relies on; pods say their command.
    Ok(Image {
        names: vec![
            format!("registry.k8s.io/{program}:{KUBERNETES}"),
            // Not Amazon's build, but its name: what the chart asks for with `distro.eks`.
            format!("{EKS_REGISTRY}/{EKS_KUBERNETES_REPOSITORY}/{program}:{EKS_VERSION}"),
        ],
        layers: vec![layer],
        ..Image::default()
    })
}

fn etcd(programs: &Programs) -> Result<Image> {
    let mut layer = bare().dir("/usr/local", 0o755, 0).dir("/usr/local/bin", 0o755, 0);
    for program in ["etcd", "etcdctl", "etcdutl"] {
        layer =
            layer.program(&format!("/usr/local/bin/{program}"), programs.path(program, program)?);
    }
    let tag = ETCD.trim_start_matches('v');
    Ok(Image {
        names: vec![
            format!("registry.k8s.io/etcd:{tag}-0"),
            format!("{EKS_REGISTRY}/{EKS_ETCD_REPOSITORY}:{EKS_ETCD_VERSION}"),
        ],
        layers: vec![layer],
        workdir: "/".into(),
        ..Image::default()
    })
}

fn kine(programs: &Programs) -> Result<Image> {
    let layer = bare()
        .dir("/bin", 0o755, 0)
        .dir("/db", 0o755, NOBODY)
        .program("/bin/kine", programs.path("kine", "kine")?);
    Ok(Image {
        names: vec![format!("docker.io/rancher/kine:{KINE}")],
        layers: vec![layer],
        entrypoint: vec!["/bin/kine".into()],
        user: "nobody".into(),
        volumes: vec!["/db".into()],
        ..Image::default()
    })
}

/// Litestream, which is not among the images that a bed starts with: of its two images the one with nothing but the
/// program.
pub fn litestream(version: &str, program: PathBuf) -> Image {
    let layer = bare()
        .dir("/usr/local", 0o755, 0)
        .dir("/usr/local/bin", 0o755, 0)
        .program("/usr/local/bin/litestream", program);
    let tag = version.trim_start_matches('v');
    Image {
        names: vec![format!("docker.io/{LITESTREAM_REPOSITORY}:{tag}-scratch")],
        layers: vec![layer],
        entrypoint: vec!["/usr/local/bin/litestream".into()],
        user: format!("{NONROOT}:{NONROOT}"),
        ..Image::default()
    }
}

fn coredns(programs: &Programs) -> Result<Image> {
    Ok(Image {
        names: vec![
            format!("registry.k8s.io/coredns/coredns:{COREDNS}"),
            format!("{EKS_REGISTRY}/{EKS_COREDNS_REPOSITORY}:{EKS_COREDNS_VERSION}"),
        ],
        layers: vec![bare().low_port_program("/coredns", programs.path("coredns", "coredns")?)],
        entrypoint: vec!["/coredns".into()],
        user: format!("{NONROOT}:{NONROOT}"),
        workdir: "/".into(),
        ..Image::default()
    })
}

fn pause(programs: &Programs) -> Result<Image> {
    Ok(Image {
        names: vec!["registry.k8s.io/pause:3.10".into()],
        layers: vec![Layer::new().program("/pause", programs.path("pause", "pause")?)],
        entrypoint: vec!["/pause".into()],
        user: "65535:65535".into(),
        ..Image::default()
    })
}

fn metrics_server(programs: &Programs) -> Result<Image> {
    Ok(Image {
        names: vec![format!("registry.k8s.io/metrics-server/metrics-server:{METRICS_SERVER}")],
        layers: vec![
            bare().program("/metrics-server", programs.path("metrics-server", "metrics-server")?),
        ],
        entrypoint: vec!["/metrics-server".into()],
        user: NOBODY.to_string(),
        ..Image::default()
    })
}

fn metallb(programs: &Programs, program: &str) -> Result<Image> {
    let path = format!("/{program}");
    Ok(Image {
        names: vec![format!("quay.io/metallb/{program}:{METALLB}")],
        layers: vec![bare().program(&path, programs.path("metallb", program)?)],
        entrypoint: vec![path],
        ..Image::default()
    })
}

fn agnhost(programs: &Programs, busybox: &Layer) -> Result<Image> {
    let layer = Layer::new()
        .dir("/uploads", 0o755, 0)
        .program("/agnhost", programs.path("kubernetes", "agnhost")?)
        .link("/agnhost-2", "agnhost");
    Ok(Image {
        names: vec!["registry.k8s.io/e2e-test-images/agnhost:2.56".into()],
        layers: vec![busybox.clone(), layer],
        entrypoint: vec!["/agnhost".into()],
        cmd: vec!["pause".into()],
        ..Image::default()
    })
}

fn local_path(programs: &Programs, busybox: &Layer) -> Result<Image> {
    let program = programs.path("local-path-provisioner", "local-path-provisioner")?;
    Ok(Image {
        names: vec![format!("docker.io/rancher/local-path-provisioner:{LOCAL_PATH}")],
        layers: vec![
            busybox.clone(),
            Layer::new().program("/usr/bin/local-path-provisioner", program),
        ],
        cmd: vec!["local-path-provisioner".into()],
        ..Image::default()
    })
}

/// What images without a distribution have: users, a temporary directory, no shell.
fn bare() -> Layer {
    Layer::new()
        .dir("/etc", 0o755, 0)
        .text("/etc/passwd", &format!("root:x:0:0:root:/root:/sbin/nologin\nnobody:x:{NOBODY}:{NOBODY}:nobody:/nonexistent:/sbin/nologin\nnonroot:x:{NONROOT}:{NONROOT}:nonroot:/home/nonroot:/sbin/nologin\n"))
        .text("/etc/group", &format!("root:x:0:\nnobody:x:{NOBODY}:\nnonroot:x:{NONROOT}:\n"))
        .text("/etc/nsswitch.conf", "hosts: files dns\n")
        .dir("/home", 0o755, 0)
        .dir("/home/nonroot", 0o700, NONROOT)
        .dir("/root", 0o700, 0)
        .dir("/tmp", 0o1777, 0)
        .dir("/usr", 0o755, 0)
}

/// A system with a shell: busybox with a link for each applet.
fn busybox(program: &Path) -> Result<Layer> {
    let said = Command::new(program)
        .arg("--list")
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let applets = String::from_utf8_lossy(&said.stdout);
    ensure!(
        applets.lines().any(|applet| applet == "sh"),
        "{} --list names no sh",
        program.display()
    );
    let mut layer = bare()
        .dir("/bin", 0o755, 0)
        .dir("/usr/bin", 0o755, 0)
        .dir("/usr/local", 0o755, 0)
        .dir("/usr/local/bin", 0o755, 0)
        .dir("/var", 0o755, 0)
        .program("/bin/busybox", program.into());
    for applet in applets.lines().filter(|applet| *applet != "busybox") {
        layer = layer.link(&format!("/bin/{applet}"), "busybox");
    }
    Ok(layer.link("/usr/bin/env", "../../bin/busybox"))
}
