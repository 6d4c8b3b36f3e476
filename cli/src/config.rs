//! The values that a virtual cluster runs with, defaults among them, as the chart leaves them on the host.

use k8s_openapi::api::core::v1::Secret;
use kube::api::Api;
use serde_json::Value;

use crate::error::Result;
use crate::host::{Host, within};
use crate::names;
use crate::yaml;

/// Key of the Secret.
const KEY: &str = "config.yaml";

/// Reads them; none when they are not there or cannot be read as an object.
///
/// # Errors
/// When the host refuses.
pub async fn values(host: &Host, name: &str, namespace: &str) -> Result<Option<Value>> {
    let secrets: Api<Secret> = host.api(namespace);
    let secret_name = names::config_secret(name);
    let secret =
        within(format!("read the values of {name}"), secrets.get_opt(&secret_name)).await?;
    let text = secret.and_then(|secret| secret.data?.remove(KEY));
    Ok(text
        .and_then(|text| String::from_utf8(text.0).ok())
        .and_then(|text| yaml::parse(&text).ok())
        .filter(Value::is_object))
}
