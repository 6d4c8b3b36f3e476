//! A cluster as Argo CD keeps it: a Secret with a label, a name, an address and how to log in.
//! <https://argo-cd.readthedocs.io/en/stable/operator-manual/declarative-setup/#clusters>

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use vcluster_syncer_core::json::{Value, json};

use super::{ExportError, ExportTarget, Login, Pki, spec};

/// By what Argo CD finds it.
pub(super) const LABEL: (&str, &str) = ("argocd.argoproj.io/secret-type", "cluster");

/// The texts of the Secret.
///
/// # Errors
/// When the PKI has no administrator's certificate.
pub(super) fn texts(
    pki: &Pki,
    target: &ExportTarget,
    login: &Login,
) -> Result<Vec<(&'static str, String)>, ExportError> {
    let file = |name: &str| Ok::<_, ExportError>(BASE64_STANDARD.encode(pki.get(name)?));
    let mut tls = json!({ "insecure": target.insecure });
    let mut put = |member: &str, text: String| {
        if let Some(tls) = tls.as_object_mut() {
            tls.insert(member.to_owned(), text.into());
        }
    };
    if !target.insecure {
        put("caData", file("ca.crt")?);
    }
    let mut config = json!({});
    match login {
        Login::Admin => {
            put("certData", file(&format!("{}.crt", spec::ADMIN.name))?);
            put("keyData", file(&format!("{}.key", spec::ADMIN.name))?);
        }
        Login::Token(token) => config = json!({ "bearerToken": token }),
    }
    if let Some(config) = config.as_object_mut() {
        config.insert("tlsClientConfig".to_owned(), tls);
    }
    Ok(vec![
        ("name", target.context.clone()),
        ("server", target.server.clone()),
        ("config", config.to_string()),
    ])
}

/// The token in the text `config` of such a Secret.
pub(super) fn token(config: &str) -> Option<String> {
    let config: Value = serde_json::from_str(config).ok()?;
    config.get("bearerToken").and_then(Value::as_str).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use vcluster_config::{ExportFormat, load};
    use vcluster_syncer_core::Object;

    use super::super::{EXPORTED_FROM, kubeconfig_secret, token_in};
    use super::*;

    fn target(yaml: &str) -> ExportTarget {
        ExportTarget::all(&load("test", yaml).unwrap().config, "my-vc", "team-x").remove(1)
    }

    #[test]
    fn argo_cd_finds_a_cluster_that_it_can_use() {
        let yaml = |more: &str| {
            format!(
                "exportKubeConfig: {{ additionalSecrets: [{{ name: a, namespace: argocd, format: argocd{more} }}] }}"
            )
        };
        let pki = Pki::fresh();
        let made = |more: &str, login: &Login| {
            let target = target(&yaml(more));
            let secret = kubeconfig_secret(&pki, "my-vc", "team-x", &target, login, None).unwrap();
            let text = |key: &str| {
                let text = BASE64_STANDARD.decode(secret["data"][key].as_str().unwrap()).unwrap();
                String::from_utf8(text).unwrap()
            };
            let config: Value = serde_json::from_str(&text("config")).unwrap();
            (secret.clone(), text("name"), text("server"), config)
        };
        let (secret, name, server, config) = made(", labels: { env: prod }", &Login::Admin);
        let labels = &secret["metadata"]["labels"];
        assert_eq!(labels["argocd.argoproj.io/secret-type"], "cluster");
        assert_eq!(labels["env"], "prod");
        assert_eq!(secret["metadata"]["annotations"][EXPORTED_FROM], "team-x/my-vc");
        assert_eq!((name.as_str(), server.as_str()), ("my-vc", "https://my-vc.team-x.svc"));
        let tls = &config["tlsClientConfig"];
        let pem = BASE64_STANDARD.decode(tls["certData"].as_str().unwrap()).unwrap();
        assert!(pem.starts_with(b"-----BEGIN CERTIFICATE") && tls["keyData"].is_string());
        assert!(tls["caData"].is_string() && tls["insecure"] == false);
        assert!(config.get("bearerToken").is_none());

        let login = Login::Token("secret-token".into());
        let (secret, name, server, config) =
            made(", insecure: true, context: prod, server: https://vc.example.com", &login);
        assert_eq!((name.as_str(), server.as_str()), ("prod", "https://vc.example.com"));
        assert_eq!(
            config,
            json!({ "bearerToken": "secret-token", "tlsClientConfig": { "insecure": true } })
        );
        let token = token_in(&Object::new(secret), ExportFormat::ArgoCd);
        assert_eq!(token.as_deref(), Some("secret-token"));
    }
}
