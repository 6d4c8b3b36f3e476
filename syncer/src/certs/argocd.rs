//! A cluster as Argo CD keeps it: a Secret with a label, a name, an address and how to log in.
//! <https://argo-cd.readthedocs.io/en/stable/operator-manual/declarative-setup/#clusters>

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

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
