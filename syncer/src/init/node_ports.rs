//! Finds the host's range of node ports: a service that asks for port 1 is refused with the range. (Other than for
//! addresses, a dry run does not look at the range.)

use vcluster_syncer_core::json::{Value, json};

use crate::namespace::Namespace;

/// What Kubernetes uses unless it is told otherwise.
const DEFAULT: &str = "30000-32767";

/// The range, as `30000-32767`. When the host does not tell (a quota of no node ports, a policy), Kubernetes' default:
/// the virtual cluster works with any, and takes over the ports that the host gives.
pub(super) async fn find(host: &Namespace, name: &str) -> String {
    let question = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": format!("{name}-port-question") },
        "spec": { "type": "NodePort", "ports": [{ "port": 443, "nodePort": 1 }] },
    });
    let answer = match host.create("services", &question).await {
        Err(denied) => match *denied.source {
            kube::Error::Api(status) => status.message,
            other => other.to_string(),
        },
        // Port 1 is in the range and was free. It is not ours to keep.
        Ok(service) => {
            if let Err(error) = host.delete("services", &service).await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a service made for a question stays behind"
                );
            }
            return "1-65535".to_owned();
        }
    };
    named_ports(&answer).unwrap_or_else(|| {
        tracing::info!(answer, default = DEFAULT, "the host does not tell its node port range");
        DEFAULT.to_owned()
    })
}

/// What the API server says: `... The range of valid ports is 30000-32767`.
fn named_ports(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("range of valid ports is ")?;
    let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '-')).unwrap_or(rest.len());
    let range = rest.get(..end)?;
    let (first, last) = range.split_once('-')?;
    let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then(|| format!("{first}-{last}"))
}

/// Whether a ConfigMap's text is such a range.
pub(super) fn is_range(text: Option<&Value>) -> bool {
    text.and_then(Value::as_str)
        .is_some_and(|text| named_ports(&format!("range of valid ports is {text}")).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::namespace::tests::scripted;

    #[test]
    fn ports_are_read_from_what_api_servers_say() {
        let message = "Service \"x\" is invalid: spec.ports[0].nodePort: Invalid value: 1: provided port is not in the valid \
                       range. The range of valid ports is 30000-32767";
        assert_eq!(named_ports(message).as_deref(), Some("30000-32767"));
        assert_eq!(
            named_ports("The range of valid ports is 8000-9000.").as_deref(),
            Some("8000-9000")
        );
        for nonsense in [
            "exceeded quota",
            "The range of valid ports is 9000-8000",
            "The range of valid ports is 1-99999",
        ] {
            assert_eq!(named_ports(nonsense), None, "{nonsense}");
        }
    }

    #[tokio::test]
    async fn a_service_made_by_accident_goes_again() {
        let (host, asked) = scripted(&[], |_, _| None);
        assert_eq!(find(&host, "my-vc").await, "1-65535");
        let asked = asked.lock().unwrap().clone();
        assert_eq!(asked, ["POST services", "DELETE services/my-vc-port-question"]);
    }

    #[tokio::test]
    async fn a_host_that_does_not_tell_has_the_default() {
        let (host, _) =
            scripted(&[], |_, _| Some((403, json!("exceeded quota: services.nodeports=0"))));
        assert_eq!(find(&host, "my-vc").await, DEFAULT);
    }
}
