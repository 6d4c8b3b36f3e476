//! A virtual control plane of plain processes: etcd and kube-apiserver.

use std::net::{IpAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType,
};

/// A CA, and what it signs.
pub struct Ca {
    pub certificate: String,
    pub key: String,
}

/// PEM of a certificate and its key.
pub struct Signed {
    pub certificate: String,
    pub key: String,
}

impl Ca {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        Ca { certificate, key: key.serialize_pem() }
    }

    pub fn sign(&self, name: &str, group: &str, addresses: &[IpAddr]) -> Signed {
        let issuer = KeyPair::from_pem(&self.key).unwrap();
        let issuer = Issuer::from_ca_cert_pem(&self.certificate, issuer).unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        if !group.is_empty() {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        params.subject_alt_names = addresses.iter().copied().map(SanType::IpAddress).collect();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap().pem();
        Signed { certificate, key: key.serialize_pem() }
    }
}

/// The processes, stopped when dropped.
pub struct VirtualCluster {
    processes: Vec<(&'static str, Child)>,
    /// What was started, to start it again.
    commands: Vec<(&'static str, PathBuf, Vec<String>)>,
    folder: PathBuf,
    pub ca: Ca,
    /// Signs the API server's kubelet-client certificate and nothing else.
    pub kubelet_client_ca: Ca,
    pub kubelet_client: Signed,
    pub kubeconfig: PathBuf,
}

impl VirtualCluster {
    /// Starts the processes; they may take a while to be ready. Their logs are in `folder`.
    pub fn start(programs: &Path, folder: &Path, address: IpAddr) -> Result<Self> {
        let ca = Ca::new("virtual-ca");
        let kubelet_client_ca = Ca::new("kubelet-client-ca");
        let kubelet_client = kubelet_client_ca.sign("kube-apiserver", "", &[]);
        let serving = ca.sign("kube-apiserver", "", &[address]);
        let admin = ca.sign("admin", "system:masters", &[]);
        let tokens = KeyPair::generate()?;
        let file = |name: &str, text: &str| -> Result<String> {
            let path = folder.join(name);
            std::fs::write(&path, text)
                .with_context(|| format!("cannot write {}", path.display()))?;
            Ok(path.display().to_string())
        };
        let [client, peer, port] = free_ports(address)?;
        let server = format!("https://{address}:{port}");
        let kubeconfig = folder.join("kubeconfig");
        let ca_file = file("ca.crt", &ca.certificate)?;
        let config = serde_json::json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "virtual",
            "clusters": [{"name": "virtual", "cluster": {"server": server, "certificate-authority": ca_file}}],
            "users": [{"name": "admin", "user": {
                "client-certificate": file("admin.crt", &admin.certificate)?,
                "client-key": file("admin.key", &admin.key)?,
            }}],
            "contexts": [{"name": "virtual", "context": {"cluster": "virtual", "user": "admin"}}],
        });
        std::fs::write(&kubeconfig, config.to_string())?;

        let etcd = [
            format!("--data-dir={}", folder.join("etcd").display()),
            format!("--listen-client-urls=http://{address}:{client}"),
            format!("--advertise-client-urls=http://{address}:{client}"),
            format!("--listen-peer-urls=http://{address}:{peer}"),
            "--unsafe-no-fsync".to_owned(),
        ];
        let apiserver = [
            format!("--etcd-servers=http://{address}:{client}"),
            format!("--bind-address={address}"),
            format!("--advertise-address={address}"),
            format!("--secure-port={port}"),
            format!("--tls-cert-file={}", file("apiserver.crt", &serving.certificate)?),
            format!("--tls-private-key-file={}", file("apiserver.key", &serving.key)?),
            format!("--client-ca-file={ca_file}"),
            format!("--kubelet-certificate-authority={ca_file}"),
            format!(
                "--kubelet-client-certificate={}",
                file("kubelet-client.crt", &kubelet_client.certificate)?
            ),
            format!("--kubelet-client-key={}", file("kubelet-client.key", &kubelet_client.key)?),
            "--kubelet-preferred-address-types=InternalIP".to_owned(),
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local".to_owned(),
            format!("--service-account-key-file={}", file("sa.pub", &tokens.public_key_pem())?),
            format!(
                "--service-account-signing-key-file={}",
                file("sa.key", &tokens.serialize_pem())?
            ),
            "--service-cluster-ip-range=10.97.0.0/16".to_owned(),
            "--endpoint-reconciler-type=none".to_owned(),
            "--authorization-mode=RBAC".to_owned(),
            // There is no controller that would make the accounts.
            "--disable-admission-plugins=ServiceAccount".to_owned(),
            "--profiling=false".to_owned(),
        ];
        let mut cluster = VirtualCluster {
            processes: Vec::new(),
            commands: Vec::new(),
            folder: folder.to_owned(),
            ca,
            kubelet_client_ca,
            kubelet_client,
            kubeconfig,
        };
        cluster.spawn(programs, "etcd", &etcd)?;
        cluster.spawn(programs, "kube-apiserver", &apiserver)?;
        Ok(cluster)
    }

    fn spawn(&mut self, programs: &Path, name: &'static str, arguments: &[String]) -> Result<()> {
        let program = programs.join(name);
        if !program.is_file() {
            bail!("there is no {}; `cargo run -p e2e -- up` builds it", program.display());
        }
        self.commands.push((name, program.clone(), arguments.to_vec()));
        self.launch(name, &program, arguments)
    }

    fn launch(&mut self, name: &'static str, program: &Path, arguments: &[String]) -> Result<()> {
        let log = self.folder.join(format!("{name}.log"));
        let log = std::fs::File::options().create(true).append(true).open(log)?;
        // Should this process be killed, the others are not left behind.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot run setpriv (of util-linux)")?;
        self.processes.push((name, child));
        Ok(())
    }

    /// Kills the processes, does something to etcd's folder, and starts them again.
    pub fn restart_after(
        &mut self,
        change: impl FnOnce(&Path) -> std::io::Result<()>,
    ) -> Result<()> {
        self.stop();
        change(&self.folder.join("etcd"))?;
        for (name, program, arguments) in self.commands.clone() {
            self.launch(name, &program, &arguments)?;
        }
        Ok(())
    }

    fn stop(&mut self) {
        for (_, process) in self.processes.iter_mut().rev() {
            let _gone = process.kill();
            let _reaped = process.wait();
        }
        self.processes.clear();
    }

    /// Waits until the API server is ready.
    pub fn ready(&mut self, mut is_ready: impl FnMut() -> bool) -> Result<()> {
        let give_up = Instant::now() + Duration::from_secs(120);
        while !is_ready() {
            let mut ended = None;
            for (name, process) in &mut self.processes {
                ended = process
                    .try_wait()?
                    .map(|status| format!("{name} ended with {status}"))
                    .or(ended);
            }
            if let Some(ended) = ended {
                bail!("{ended}\n{}", self.last_words());
            }
            if Instant::now() > give_up {
                bail!("the virtual API server is not ready\n{}", self.last_words());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// The last lines of each process's log.
    pub fn last_words(&self) -> String {
        let mut words = String::new();
        for (name, _) in &self.processes {
            let log = self.folder.join(format!("{name}.log"));
            let log = std::fs::read_to_string(log).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let last = lines.get(lines.len().saturating_sub(20)..).unwrap_or_default();
            words.push_str(&format!("--- the last lines of {name}\n{}\n", last.join("\n")));
        }
        words
    }
}

impl Drop for VirtualCluster {
    fn drop(&mut self) {
        self.stop();
    }
}

fn free_ports<const N: usize>(address: IpAddr) -> Result<[u16; N]> {
    let mut held = Vec::new();
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind((address, 0))?;
        *port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(ports)
}
