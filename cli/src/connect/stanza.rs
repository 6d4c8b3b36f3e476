//! From the kubeconfig in the Secret to the stanza that is written. Pure.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};

use crate::kubeconfig::{Origin, Stanza, stanza_of};
use crate::yaml;

/// The kubeconfig in a Secret's data: key `config`, else put together from the single keys.
pub fn from_secret(
    data: &std::collections::BTreeMap<String, k8s_openapi::ByteString>,
) -> Option<Value> {
    let text = |key: &str| data.get(key).and_then(|bytes| String::from_utf8(bytes.0.clone()).ok());
    if let Some(config) = text("config").filter(|config| !config.trim().is_empty()) {
        return yaml::parse(&config).ok().filter(|document| stanza_of(document).is_some());
    }
    let encoded = |key: &str| text(key).map(|pem| json!(BASE64.encode(pem)));
    let mut user = Map::new();
    if let (Some(certificate), Some(key)) = (encoded("client-certificate"), encoded("client-key")) {
        user.insert("client-certificate-data".into(), certificate);
        user.insert("client-key-data".into(), key);
    }
    if let Some(token) = text("token").filter(|token| !token.is_empty()) {
        user.insert("token".into(), json!(token));
    }
    if user.is_empty() {
        return None;
    }
    let authority = encoded("certificate-authority")?;
    Some(json!({
        "clusters": [{ "name": "c", "cluster": { "server": LOCAL_SERVER, "certificate-authority-data": authority } }],
        "users": [{ "name": "u", "user": user }],
        "contexts": [{ "name": "x", "context": { "cluster": "c", "user": "u" } }],
        "current-context": "x",
    }))
}

/// What stands in the Secret when nobody exported another address.
pub const LOCAL_SERVER: &str = "https://localhost:8443";

/// Cluster and user of the Secret's kubeconfig.
pub fn credentials(kubeconfig: &Value) -> Option<(Value, Value)> {
    stanza_of(kubeconfig)
}

/// Puts the address in.
pub fn build(
    cluster: Value,
    user: Value,
    server: &str,
    insecure: bool,
    name: String,
    origin: Origin,
) -> Stanza {
    let mut body = match cluster {
        Value::Object(body) => body,
        _ => Map::new(),
    };
    body.insert("server".into(), json!(server));
    if insecure {
        body.remove("certificate-authority-data");
        body.remove("certificate-authority");
        body.insert("insecure-skip-tls-verify".into(), json!(true));
    } else if needs_server_name(server) {
        body.insert("tls-server-name".into(), json!("localhost"));
    }
    Stanza { name, cluster: Value::Object(body), user, origin: Some(origin) }
}

/// The serving certificate covers loopback; a forwarder on another address of this machine is not in it.
fn needs_server_name(server: &str) -> bool {
    let Ok(url) = server.parse::<http::Uri>() else { return false };
    let forwarded = url.port_u16().is_some_and(|port| (10_000..13_000).contains(&port));
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    forwarded && host.is_ok_and(|host| !host.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::ByteString;
    use std::collections::BTreeMap;

    fn data(pairs: &[(&str, &str)]) -> BTreeMap<String, ByteString> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), ByteString(value.as_bytes().to_vec())))
            .collect()
    }

    fn origin() -> Origin {
        Origin { name: "a".into(), namespace: "ns".into(), host_context: "kind".into() }
    }

    #[test]
    fn the_config_key_is_preferred() {
        let config = "clusters: [{name: c, cluster: {server: 'https://localhost:8443', certificate-authority-data: Q0E=}}]\n\
                      users: [{name: u, user: {token: t}}]\n\
                      contexts: [{name: x, context: {cluster: c, user: u}}]\n";
        let kubeconfig = from_secret(&data(&[("config", config), ("token", "other")])).unwrap();
        let (cluster, user) = credentials(&kubeconfig).unwrap();
        assert_eq!(user, json!({ "token": "t" }));
        let stanza =
            build(cluster, user, "https://127.0.0.1:10123", false, "mine".into(), origin());
        assert_eq!(
            stanza.cluster,
            json!({ "server": "https://127.0.0.1:10123", "certificate-authority-data": "Q0E=" })
        );
    }

    #[test]
    fn single_keys_do_too() {
        let kubeconfig = from_secret(&data(&[
            ("certificate-authority", "CA"),
            ("client-certificate", "C"),
            ("client-key", "K"),
        ]))
        .unwrap();
        let (cluster, user) = credentials(&kubeconfig).unwrap();
        assert_eq!(cluster["server"], json!(LOCAL_SERVER));
        assert_eq!(user, json!({ "client-certificate-data": "Qw==", "client-key-data": "Sw==" }));
    }

    #[test]
    fn a_half_written_secret_is_no_kubeconfig() {
        for pairs in [
            &[][..],
            &[("config", "")],
            &[("config", "a: [")],
            &[("config", "{}")],
            &[("token", "t")],
        ] {
            assert!(from_secret(&data(pairs)).is_none(), "{pairs:?}");
        }
    }

    #[test]
    fn insecure_drops_the_authority_and_other_addresses_name_the_server() {
        let cluster = json!({ "certificate-authority-data": "Q0E=", "server": "x" });
        let insecure =
            build(cluster.clone(), json!({}), "https://1.2.3.4", true, "m".into(), origin());
        assert_eq!(
            insecure.cluster,
            json!({ "server": "https://1.2.3.4", "insecure-skip-tls-verify": true })
        );
        let other = build(
            cluster.clone(),
            json!({}),
            "https://192.168.0.7:10001",
            false,
            "m".into(),
            origin(),
        );
        assert_eq!(other.cluster["tls-server-name"], json!("localhost"));
        let own = build(cluster, json!({}), "https://vc.example.com", false, "m".into(), origin());
        assert!(own.cluster.get("tls-server-name").is_none());
    }
}
