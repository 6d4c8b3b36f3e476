//! The host cluster's certificates and kubeconfigs. Made anew for every bed.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use serde_json::json;

use super::layout::{Layout, Node};

/// The name of the kubeconfigs' cluster, user and context.
pub const CONTEXT: &str = "testbed";

/// The files of a bed's PKI.
pub struct Pki {
    dir: PathBuf,
    server: String,
}

impl Pki {
    /// Makes all keys, certificates and kubeconfigs.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn make(layout: &Layout, nodes: &[Node]) -> Result<Self> {
        let pki =
            Self { dir: layout.pki(), server: format!("https://{}", layout.control_plane(6443)) };
        std::fs::create_dir_all(&pki.dir)?;
        let ca = pki.authority("ca", "testbed-ca")?;
        // The front proxy has an authority of its own: no client certificate of the first may pass as one.
        let front = pki.authority("front-proxy-ca", "testbed-front-proxy-ca")?;
        let names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost"];
        let mut ips = layout.control_plane_ips();
        ips.extend([layout.kubernetes_ip(), IpAddr::from([127, 0, 0, 1])]);
        pki.leaf(
            &ca,
            "control-plane",
            Subject { name: "kube-apiserver", group: None },
            &names,
            &ips,
        )?;
        pki.leaf(
            &ca,
            "kubelet-client",
            Subject { name: "kube-apiserver-kubelet-client", group: Some("system:masters") },
            &[],
            &[],
        )?;
        pki.leaf(
            &front,
            "front-proxy",
            Subject { name: "front-proxy-client", group: None },
            &[],
            &[],
        )?;
        for (file, name, group) in [
            ("admin", "testbed-admin", Some("system:masters")),
            ("controller-manager", "system:kube-controller-manager", None),
            ("scheduler", "system:kube-scheduler", None),
            ("kube-proxy", "system:kube-proxy", None),
            ("kwok", "kwok", Some("system:masters")),
        ] {
            pki.client(&ca, file, Subject { name, group })?;
        }
        for node in nodes {
            let user = format!("system:node:{}", node.name);
            let subject = Subject { name: &user, group: Some("system:nodes") };
            pki.leaf(&ca, &node.name, subject, &[&node.name], &node.ips)?;
            pki.kubeconfig(&node.name)?;
        }
        let tokens = KeyPair::generate()?;
        pki.write("service-accounts.key", &tokens.serialize_pem())?;
        pki.write("service-accounts.pub", &tokens.public_key_pem())?;
        std::fs::copy(pki.file("admin.kubeconfig"), layout.kubeconfig())?;
        Ok(pki)
    }

    /// A file's path: `NAME.crt`, `NAME.key` or `NAME.kubeconfig`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn authority(&self, file: &str, name: &str) -> Result<Issuer<'static, KeyPair>> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::CrlSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        self.write(&format!("{file}.crt"), &certificate.pem())?;
        self.write(&format!("{file}.key"), &key.serialize_pem())?;
        Ok(Issuer::new(params, key))
    }

    fn client(&self, ca: &Issuer<'_, KeyPair>, file: &str, subject: Subject<'_>) -> Result<()> {
        self.leaf(ca, file, subject, &[], &[])?;
        self.kubeconfig(file)
    }

    fn leaf(
        &self,
        ca: &Issuer<'_, KeyPair>,
        file: &str,
        subject: Subject<'_>,
        names: &[&str],
        ips: &[IpAddr],
    ) -> Result<()> {
        let mut params =
            CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        params.subject_alt_names.extend(ips.iter().map(|ip| SanType::IpAddress(*ip)));
        params.distinguished_name.remove(DnType::CommonName);
        params.distinguished_name.push(DnType::CommonName, subject.name);
        if let Some(group) = subject.group {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        params.use_authority_key_identifier_extension = true;
        params.key_usages =
            vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, ca)?;
        self.write(&format!("{file}.crt"), &certificate.pem())?;
        self.write(&format!("{file}.key"), &key.serialize_pem())
    }

    fn kubeconfig(&self, user: &str) -> Result<()> {
        let read = |name: &str| self.base64(name);
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{ "name": CONTEXT, "cluster": {
                "server": self.server, "certificate-authority-data": read("ca.crt")?,
            }}],
            "users": [{ "name": CONTEXT, "user": {
                "client-certificate-data": read(&format!("{user}.crt"))?, "client-key-data": read(&format!("{user}.key"))?,
            }}],
            "contexts": [{ "name": CONTEXT, "context": { "cluster": CONTEXT, "user": CONTEXT }}],
            "current-context": CONTEXT,
        });
        self.write(&format!("{user}.kubeconfig"), &serde_saphyr::to_string(&config)?)
    }

    fn base64(&self, name: &str) -> Result<String> {
        use base64::Engine as _;
        Ok(base64::engine::general_purpose::STANDARD.encode(std::fs::read(self.file(name))?))
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        write_private(&self.file(name), text)
    }
}

struct Subject<'a> {
    name: &'a str,
    group: Option<&'a str>,
}

fn write_private(path: &Path, text: &str) -> Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    file.write_all(text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
}
