//! Finds the host's service ranges. No API says what they are to somebody without cluster rights, but the API server
//! names them when it refuses an address.

use std::net::IpAddr;

use vcluster_config::Config;
use vcluster_syncer_core::json::{Value, json};

use super::range::Range;
use crate::namespace::{Denied, Namespace};

/// With several ServiceCIDR objects the API server names a random one: so often do we ask. With two ranges, the right
/// one is missed once in a million million times.
const QUESTIONS: usize = 40;

/// Why the ranges are not known.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unknown {
    /// The host does not let us ask.
    #[error(
        "the host's service range cannot be found, since it refuses the question: {0}; set networking.serviceCIDR to it"
    )]
    Refused(String),
    /// The host answers, but not with a range.
    #[error(
        "the host's service range cannot be found: it answers {0:?}; set networking.serviceCIDR to it"
    )]
    NoRange(String),
    /// None of the answers fits.
    #[error(
        "the host's service range that {address} is from cannot be found, only {named}; set networking.serviceCIDR to it"
    )]
    NoMatch {
        /// An address that the range must contain.
        address: IpAddr,
        /// The ranges that were named.
        named: String,
    },
    /// Service `NAME` has no address.
    #[error(
        "Service {0} has no cluster address; the chart must make it, and not be told to make it headless"
    )]
    Headless(String),
}

/// The ranges of the host, the one of Service `NAME` first: `10.96.0.0/16` or `10.96.0.0/16,fd00:10:96::/112`.
pub(super) async fn find(
    host: &Namespace,
    name: &str,
    config: &Config,
    service: &Value,
) -> anyhow::Result<String> {
    let wanted = config.wanted_service_cidr();
    if !wanted.is_empty() {
        return Ok(wanted.to_owned());
    }
    let own =
        addresses(service).first().copied().ok_or_else(|| Unknown::Headless(name.to_owned()))?;
    let (first, twin) = tokio::join!(containing(host, name, own), dual(host, name));
    let first = first?;
    // A host that has two families gives a service that wants both an address of each.
    match twin?.into_iter().find(|address| address.is_ipv4() != own.is_ipv4()) {
        Some(other) => Ok(format!("{first},{}", containing(host, name, other).await?)),
        None => Ok(first.to_string()),
    }
}

/// The range that `address` is from.
async fn containing(host: &Namespace, name: &str, address: IpAddr) -> anyhow::Result<Range> {
    // Addresses for documentation: no cluster uses them for services.
    let (outside, family) =
        if address.is_ipv4() { ("4.4.4.4", "IPv4") } else { ("2001:db8::1", "IPv6") };
    let spec = json!({ "clusterIP": outside, "ipFamilies": [family], "ipFamilyPolicy": "SingleStack", "ports": [{ "port": 443 }] });
    let question = question(name, &spec);
    let mut named: Vec<Range> = Vec::new();
    for _ in 0..QUESTIONS {
        let answer = match host.try_create("services", &question).await {
            // The host's range holds even that address. There is no asking then.
            Ok(_) => return Err(Unknown::NoRange(format!("{outside} is free")).into()),
            Err(kube::Error::Api(status)) if status.code == 422 => status.message,
            Err(error) => return Err(refused(host, error)),
        };
        let range = named_range(&answer).ok_or(Unknown::NoRange(answer))?;
        if range.contains(address) {
            return Ok(range);
        }
        if !named.contains(&range) {
            named.push(range);
        }
    }
    let named = named.iter().map(Range::to_string).collect::<Vec<_>>().join(", ");
    Err(Unknown::NoMatch { address, named }.into())
}

/// The addresses that a service gets which wants one of each family.
async fn dual(host: &Namespace, name: &str) -> anyhow::Result<Vec<IpAddr>> {
    let spec = json!({ "ipFamilyPolicy": "PreferDualStack", "ports": [{ "port": 443 }] });
    match host.try_create("services", &question(name, &spec)).await {
        Ok(service) => Ok(addresses(&service)),
        Err(error) => Err(refused(host, error)),
    }
}

/// Transient trouble is passed on for another try; a real "no" says what to do.
fn refused(host: &Namespace, error: kube::Error) -> anyhow::Error {
    let denied = Denied {
        verb: "tried",
        kind: "services",
        namespace: host.name().to_owned(),
        name: String::new(),
        source: Box::new(error),
    };
    match denied.source.as_ref() {
        kube::Error::Api(status) if !denied.may_pass() || status.code == 403 => {
            // A missing right may have been granted a moment ago, a quota or a policy stays.
            let is_quota = status.message.contains("exceeded quota")
                || status.message.contains("denied the request");
            if status.code == 403 && !is_quota {
                denied.into()
            } else {
                Unknown::Refused(status.message.clone()).into()
            }
        }
        _ => denied.into(),
    }
}

fn question(name: &str, spec: &Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": format!("{name}-range-question") }, "spec": spec })
}

/// The cluster addresses of a service.
pub(super) fn addresses(service: &Value) -> Vec<IpAddr> {
    let list = service.pointer("/spec/clusterIPs").and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str).filter_map(|text| text.parse().ok()).collect()
}

/// What the API server says: `... The range of valid IPs is 10.96.0.0/16`.
fn named_range(message: &str) -> Option<Range> {
    let (_, rest) = message.split_once("range of valid IPs is ")?;
    let end =
        rest.find(|c: char| !(c.is_ascii_hexdigit() || ".:/".contains(c))).unwrap_or(rest.len());
    rest.get(..end)?.trim_end_matches('.').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::namespace::tests::scripted;

    #[test]
    fn ranges_are_read_from_what_api_servers_say() {
        for (message, range) in [
            (
                "Service \"x\" is invalid: spec.clusterIPs: Invalid value: []string{\"4.4.4.4\"}: failed to allocate IP 4.4.4.4: \
                 the provided IP (4.4.4.4) is not in the valid range. The range of valid IPs is 10.96.0.0/16",
                "10.96.0.0/16",
            ),
            (
                "provided IP is not in the valid range. The range of valid IPs is 10.43.0.0/16.",
                "10.43.0.0/16",
            ),
            ("The range of valid IPs is fd00:10:96::/112\"}", "fd00:10:96::/112"),
        ] {
            assert_eq!(named_range(message).map(|range| range.to_string()).as_deref(), Some(range));
        }
        assert_eq!(named_range("the provided network does not match the current range"), None);
        assert_eq!(named_range("The range of valid IPs is unknown"), None);
    }

    /// A host with these service ranges, of which it names one after the other.
    fn host(ranges: &'static [&'static str], twins: &'static [&'static str]) -> Namespace {
        let turn = std::sync::atomic::AtomicUsize::new(0);
        scripted(&[], move |line, body| {
            assert_eq!(line, "POST services?dryRun=All", "nothing is really made");
            let Some(address) = body.pointer("/spec/clusterIP").and_then(Value::as_str) else {
                return Some((201, json!({ "spec": { "clusterIPs": twins } })));
            };
            let v4 = address.contains('.');
            let ranges: Vec<&&str> =
                ranges.iter().filter(|range| range.contains('.') == v4).collect();
            let turn = turn.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let range = ranges[turn % ranges.len()];
            Some((422, json!(format!("not in the valid range. The range of valid IPs is {range}"))))
        })
        .0
    }

    async fn ask(host: &Namespace, own: &str) -> anyhow::Result<String> {
        let service = json!({ "spec": { "clusterIPs": [own] } });
        find(host, "my-vc", &Config::default(), &service).await
    }

    #[tokio::test]
    async fn one_range_is_found() {
        assert_eq!(
            ask(&host(&["10.96.0.0/16"], &["10.96.1.2"]), "10.96.3.4").await.unwrap(),
            "10.96.0.0/16"
        );
        assert_eq!(
            ask(&host(&["fd00::/112"], &["fd00::2"]), "fd00::7").await.unwrap(),
            "fd00::/112"
        );
    }

    #[tokio::test]
    async fn of_several_ranges_the_one_of_our_service_is_taken() {
        let host = host(&["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"], &["10.1.0.9"]);
        assert_eq!(ask(&host, "10.3.0.4").await.unwrap(), "10.3.0.0/16");
        let error = ask(&host, "192.0.2.1").await.unwrap_err().to_string();
        assert!(error.contains("only 10.") && error.contains("networking.serviceCIDR"), "{error}");
    }

    #[tokio::test]
    async fn both_families_are_found_ours_first() {
        let ranges = &["10.96.0.0/16", "fd00:1::/112", "fd00:2::/112"];
        let host = host(ranges, &["10.96.1.2", "fd00:2::5"]);
        assert_eq!(ask(&host, "10.96.3.4").await.unwrap(), "10.96.0.0/16,fd00:2::/112");
    }

    #[tokio::test]
    async fn what_the_host_will_never_allow_is_said_with_the_way_out() {
        let quota = "services \"x\" is forbidden: exceeded quota: q, requested: count/services=1, used: 5, limited: 5";
        let (host, _) = scripted(&[], move |_, _| Some((403, json!(quota))));
        let error = ask(&host, "10.96.3.4").await.unwrap_err();
        assert!(error.downcast_ref::<Denied>().is_none(), "another try does not help");
        assert!(error.to_string().contains("set networking.serviceCIDR"), "{error}");
    }
}
