//! Kubeconfigs: for the programs of the pod (certificates by path), and for clients (everything inside, in a Secret).

use std::fmt::Write as _;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use vcluster_config::{Config, ExportFormat, ExportServiceAccount, Labels};
use vcluster_syncer_core::Object;
use vcluster_syncer_core::json::{Map, Value, json};

use super::{Pki, PkiError, argocd, spec};

/// Annotation of exported Secrets: `NAMESPACE/NAME` of the virtual cluster. Two of the same name may export to the same
/// namespace.
pub const EXPORTED_FROM: &str = "vcluster.loft.sh/exported-from";

/// The context, cluster and user of an exported kubeconfig when no name is asked for.
const CONTEXT: &str = "my-vcluster";

/// A Secret that a kubeconfig is to be written to.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportTarget {
    /// The Secret's name.
    pub secret: String,
    /// The Secret's namespace on the host.
    pub namespace: String,
    /// What is written.
    pub format: ExportFormat,
    /// Extra labels.
    pub labels: Labels,
    /// Extra annotations.
    pub annotations: Labels,
    /// The name of the context, or of the cluster.
    pub context: String,
    /// The address that clients call.
    pub server: String,
    /// Whether clients skip the check of the server's certificate.
    pub insecure: bool,
    /// The service account of the virtual cluster to log in as; none: with the admin certificate.
    pub service_account: Option<ExportServiceAccount>,
}

/// How an exported kubeconfig logs in.
#[derive(Clone)]
pub enum Login {
    /// As administrator, with the certificate of the PKI.
    Admin,
    /// With a bearer token.
    Token(String),
}

/// Why a kubeconfig cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A certificate is missing.
    #[error(transparent)]
    Pki(#[from] PkiError),
}

impl ExportTarget {
    /// Every Secret that the options ask for. The first is always `vc-NAME`.
    #[must_use]
    pub fn all(config: &Config, name: &str, namespace: &str) -> Vec<ExportTarget> {
        let export = &config.export_kube_config;
        let or = |text: &str, default: &str| {
            if text.is_empty() { default.to_owned() } else { text.to_owned() }
        };
        let account =
            |account: &ExportServiceAccount| (!account.name.is_empty()).then(|| account.clone());
        let own = ExportTarget {
            secret: format!("vc-{name}"),
            namespace: namespace.to_owned(),
            format: ExportFormat::Kubeconfig,
            labels: Labels::new(),
            annotations: Labels::new(),
            context: or(&export.context, CONTEXT),
            server: export_server(config),
            insecure: export.insecure,
            service_account: account(&export.service_account),
        };
        let mut targets = vec![own.clone()];
        if !export.secret.name.is_empty() || !export.secret.namespace.is_empty() {
            targets.push(ExportTarget {
                secret: or(&export.secret.name, &own.secret),
                namespace: or(&export.secret.namespace, namespace),
                ..own.clone()
            });
        }
        for secret in &export.additional_secrets {
            // Argo CD runs in the host cluster and is no end of a port-forward; in its list, clusters need a name each.
            let (context, server) = match secret.format {
                ExportFormat::Kubeconfig => (own.context.clone(), own.server.clone()),
                ExportFormat::ArgoCd => (
                    or(&export.context, name),
                    or(&export.server, &format!("https://{name}.{namespace}.svc")),
                ),
            };
            targets.push(ExportTarget {
                secret: or(&secret.name, &own.secret),
                namespace: or(&secret.namespace, namespace),
                format: secret.format,
                labels: secret.labels.clone(),
                annotations: secret.annotations.clone(),
                context: or(&secret.context, &context),
                server: or(&secret.server, &server),
                insecure: secret.insecure,
                service_account: account(&secret.service_account),
            });
        }
        targets.dedup();
        targets
    }
}

/// The address in Secret `vc-NAME`: the one asked for, or the near end of a port-forward.
#[must_use]
pub fn export_server(config: &Config) -> String {
    match config.export_kube_config.server.as_str() {
        "" => format!("https://localhost:{}", config.control_plane.proxy.port),
        server => server.to_owned(),
    }
}

/// The address of the API server as the programs of its pod reach it.
#[must_use]
pub fn own_server(config: &Config) -> String {
    format!("https://127.0.0.1:{}", config.control_plane.proxy.port)
}

/// The kubeconfig for a client, as YAML with everything inside.
///
/// # Errors
/// When the PKI has no administrator's certificate.
pub fn kubeconfig(pki: &Pki, target: &ExportTarget, login: &Login) -> Result<String, ExportError> {
    let data = |text: &str| BASE64_STANDARD.encode(text);
    let mut cluster = vec![("server", target.server.clone())];
    if !target.insecure {
        cluster.push(("certificate-authority-data", data(pki.get("ca.crt")?)));
    }
    let user = match login {
        Login::Admin => vec![
            ("client-certificate-data", data(pki.get(&format!("{}.crt", spec::ADMIN.name))?)),
            ("client-key-data", data(pki.get(&format!("{}.key", spec::ADMIN.name))?)),
        ],
        Login::Token(token) => vec![("token", token.clone())],
    };
    Ok(render(&target.context, &cluster, target.insecure, &user))
}

/// The Secret that lets clients in. `namespace` is that of the virtual cluster `name`; `owner` is an owner reference, if the
/// Secret should go with it.
///
/// # Errors
/// When the PKI has no administrator's certificate.
pub fn kubeconfig_secret(
    pki: &Pki,
    name: &str,
    namespace: &str,
    target: &ExportTarget,
    login: &Login,
    owner: Option<&Value>,
) -> Result<Value, ExportError> {
    let texts = match target.format {
        ExportFormat::Kubeconfig => texts(pki, target, login)?,
        ExportFormat::ArgoCd => argocd::texts(pki, target, login)?,
    };
    let data: Map = texts
        .into_iter()
        .map(|(key, text)| (key.to_owned(), BASE64_STANDARD.encode(text)))
        .collect();
    let mut labels = target.labels.clone();
    let mut annotations = target.annotations.clone();
    let ours = [("app", "vcluster"), ("release", name)];
    let of_format = (target.format == ExportFormat::ArgoCd).then_some(argocd::LABEL);
    for (key, value) in ours.into_iter().chain(of_format) {
        labels.insert(key.to_owned(), value.to_owned());
    }
    annotations.insert(EXPORTED_FROM.to_owned(), format!("{namespace}/{name}"));
    let mut secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {
            "name": &target.secret,
            "namespace": &target.namespace,
            "labels": labels,
            "annotations": annotations,
        },
        "data": data,
    });
    if let (Some(owner), Some(metadata)) =
        (owner, secret.get_mut("metadata").and_then(Value::as_object_mut))
    {
        metadata.insert("ownerReferences", json!([owner]));
    }
    Ok(secret)
}

/// A kubeconfig, and what is in it by itself.
fn texts(
    pki: &Pki,
    target: &ExportTarget,
    login: &Login,
) -> Result<Vec<(&'static str, String)>, ExportError> {
    let mut texts = vec![
        ("config", kubeconfig(pki, target, login)?),
        ("certificate-authority", pki.get("ca.crt")?.to_owned()),
    ];
    match login {
        Login::Admin => {
            let file = |ending| pki.get(&format!("{}.{ending}", spec::ADMIN.name));
            texts.push(("client-certificate", file("crt")?.to_owned()));
            texts.push(("client-key", file("key")?.to_owned()));
        }
        Login::Token(token) => texts.push(("token", token.clone())),
    }
    Ok(texts)
}

/// The token with which an exported Secret logs in, if it does so with one.
#[must_use]
pub fn token_in(secret: &Object, format: ExportFormat) -> Option<String> {
    let text = |key| {
        let text = BASE64_STANDARD.decode(secret.str_at(&["data", key])?).ok()?;
        String::from_utf8(text).ok()
    };
    match format {
        ExportFormat::Kubeconfig => text("token"),
        ExportFormat::ArgoCd => argocd::token(&text("config")?),
    }
}

/// The kubeconfig of a program of the pod. It names certificates by path, so that client-go reloads them.
pub(super) fn for_program(name: &str, directory: &Path, server: &str) -> String {
    let path = |file: String| directory.join(file).display().to_string();
    let cluster =
        [("server", server.to_owned()), ("certificate-authority", path("ca.crt".to_owned()))];
    let user = [
        ("client-certificate", path(format!("{name}.crt"))),
        ("client-key", path(format!("{name}.key"))),
    ];
    render("virtual", &cluster, false, &user)
}

fn render(
    context: &str,
    cluster: &[(&str, String)],
    insecure: bool,
    user: &[(&str, String)],
) -> String {
    // JSON strings are YAML strings.
    let quoted = |text: &str| Value::from(text).to_string();
    let name = quoted(context);
    let mut text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: {name}\nclusters:\n- name: {name}\n  cluster:\n"
    );
    for (key, value) in cluster {
        let _ = writeln!(text, "    {key}: {}", quoted(value));
    }
    if insecure {
        text.push_str("    insecure-skip-tls-verify: true\n");
    }
    let _ = write!(
        text,
        "contexts:\n- name: {name}\n  context:\n    cluster: {name}\n    user: {name}\nusers:\n- name: {name}\n  user:\n"
    );
    for (key, value) in user {
        let _ = writeln!(text, "    {key}: {}", quoted(value));
    }
    text
}

/// Never shows the token.
impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Login::Admin => "Admin",
            Login::Token(_) => "Token",
        })
    }
}

#[cfg(test)]
mod tests {
    use kube::config::{KubeConfigOptions, Kubeconfig};
    use vcluster_config::load;

    use super::*;

    fn targets(yaml: &str) -> Vec<ExportTarget> {
        ExportTarget::all(&load("test", yaml).unwrap().config, "my-vc", "team-x")
    }

    #[tokio::test]
    async fn a_client_can_use_the_exported_kubeconfig() {
        let text = kubeconfig(&Pki::fresh(), &targets("")[0], &Login::Admin).unwrap();
        let parsed = Kubeconfig::from_yaml(&text).unwrap();
        assert_eq!(parsed.current_context.as_deref(), Some("my-vcluster"));
        let config = kube::Config::from_custom_kubeconfig(parsed, &KubeConfigOptions::default())
            .await
            .unwrap();
        assert_eq!(config.cluster_url.to_string(), "https://localhost:8443/");
        assert!(config.root_cert.is_some());
    }

    #[test]
    fn the_secret_has_the_keys_that_tools_look_for() {
        let owner = json!({ "apiVersion": "v1", "kind": "Service", "name": "my-vc", "uid": "u" });
        let secret = kubeconfig_secret(
            &Pki::fresh(),
            "my-vc",
            "team-x",
            &targets("")[0],
            &Login::Admin,
            Some(&owner),
        )
        .unwrap();
        let keys: Vec<_> = secret["data"].as_object().unwrap().keys().collect();
        assert_eq!(keys, ["certificate-authority", "client-certificate", "client-key", "config"]);
        assert_eq!(secret["metadata"]["name"], "vc-my-vc");
        assert_eq!(secret["metadata"]["ownerReferences"][0]["uid"], "u");
        let login = Login::Token("secret-token".into());
        let secret =
            kubeconfig_secret(&Pki::fresh(), "my-vc", "team-x", &targets("")[0], &login, None)
                .unwrap();
        let keys: Vec<_> = secret["data"].as_object().unwrap().keys().collect();
        assert_eq!(keys, ["certificate-authority", "config", "token"]);
        assert!(!format!("{login:?}").contains("secret-token"));
        let token = token_in(&Object::new(secret), ExportFormat::Kubeconfig);
        assert_eq!(token.as_deref(), Some("secret-token"));
    }

    #[test]
    fn every_wish_is_a_target() {
        let targets = targets(
            "exportKubeConfig:
  server: https://vc.example.com
  context: prod
  secret: { name: copy }
  additionalSecrets:
  - { name: argo, namespace: argocd, insecure: true, serviceAccount: { name: argo, clusterRole: admin } }
",
        );
        let names: Vec<_> =
            targets.iter().map(|t| (t.secret.as_str(), t.namespace.as_str(), t.insecure)).collect();
        assert_eq!(
            names,
            [("vc-my-vc", "team-x", false), ("copy", "team-x", false), ("argo", "argocd", true)]
        );
        assert!(targets.iter().all(|target| target.server == "https://vc.example.com" && target.context == "prod"));
        assert_eq!(targets[2].service_account.as_ref().unwrap().cluster_role, "admin");
    }

    #[test]
    fn without_a_check_there_is_no_authority() {
        let target = &targets("exportKubeConfig: { insecure: true }")[0];
        let text = kubeconfig(&Pki::fresh(), target, &Login::Token("t".into())).unwrap();
        assert!(
            text.contains("insecure-skip-tls-verify: true")
                && !text.contains("certificate-authority")
        );
    }
}
