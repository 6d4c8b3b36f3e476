//! The values in one of helm's records. The record is JSON, compressed and in base64; source of the format:
//! `pkg/storage/driver/util.go` of <https://github.com/helm/helm>.

use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::read::GzDecoder;
use k8s_openapi::api::core::v1::Secret;
use kube::api::Api;
use serde_json::Value;

use super::release::Revision;
use crate::error::Result;
use crate::host::{Host, within};

/// A record is a Secret, which holds less than 1 MiB; nothing that helm writes grows to so much.
const MOST: u64 = 64 << 20;

/// What was given to helm for the last revision that it finished, or else for the newest. None when that cannot be read.
///
/// # Errors
/// When the host refuses.
pub async fn values(host: &Host, namespace: &str, release: &Revision) -> Result<Option<Value>> {
    let name = release.base();
    let secrets: Api<Secret> = host.api(namespace);
    let secret = within(format!("read the helm record {name}"), secrets.get_opt(name)).await?;
    let data = secret.and_then(|secret| secret.data?.remove("release"));
    Ok(data.and_then(|data| given(&data.0)))
}

/// The key `config` of a record; without one nothing was given.
fn given(data: &[u8]) -> Option<Value> {
    let packed = BASE64.decode(data).ok()?;
    let mut text = Vec::new();
    // Old helms did not compress.
    match packed.starts_with(&[0x1f, 0x8b]) {
        true => GzDecoder::new(packed.as_slice()).take(MOST).read_to_end(&mut text).ok()?,
        false => packed.as_slice().read_to_end(&mut text).ok()?,
    };
    let mut record: Value = serde_json::from_slice(&text).ok()?;
    match record.get_mut("config").map(Value::take) {
        None | Some(Value::Null) => Some(Value::Object(serde_json::Map::new())),
        given => given.filter(Value::is_object),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use serde_json::json;
    use std::io::Write;

    fn packed(record: &Value) -> Vec<u8> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(record.to_string().as_bytes()).unwrap();
        BASE64.encode(gzip.finish().unwrap()).into_bytes()
    }

    #[test]
    fn a_record_holds_what_was_given() {
        let values = json!({ "policies": { "isolate": true } });
        let record = json!({ "name": "t", "config": values, "chart": {} });
        assert_eq!(given(&packed(&record)), Some(values.clone()));
        let old = BASE64.encode(record.to_string());
        assert_eq!(given(old.as_bytes()), Some(values));
        assert_eq!(given(&packed(&json!({ "config": null }))), Some(json!({})));
        assert_eq!(given(&packed(&json!({}))), Some(json!({})));
    }

    #[test]
    fn what_is_no_record_holds_nothing_to_rely_on() {
        let cut = packed(&json!({ "config": {} }));
        for odd in [&b""[..], b"%", b"H4sI", &cut[..cut.len() / 2], b"bm8="] {
            assert_eq!(given(odd), None, "{odd:?}");
        }
        assert_eq!(given(&packed(&json!({ "config": 1 }))), None);
    }
}
