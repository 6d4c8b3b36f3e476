//! Which address leads to the virtual API server.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Service;
use kube::api::Api;
use kube::runtime::{WatchStreamExt, watcher};
use tokio::time::Instant;

use super::Plane;
use super::options::ConnectOptions;
use crate::error::{CliError, Kind, Result};
use crate::host::{Host, within};
use crate::ui::Step;

/// How long a load balancer may take to get an address.
const BALANCER_PATIENCE: Duration = Duration::from_secs(300);

/// What to try when a server that the user named does not answer.
pub const CUSTOM_SERVER_HINT: &str = "add the address to controlPlane.proxy.extraSANs with `vcluster create NAME --upgrade --set ...`, or use --insecure";

/// The chosen way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// This address can be used as it is.
    Direct(String),
    /// Through the forwarder that stays behind.
    Background,
    /// Through a forwarder in this process.
    InProcess,
}

/// Decides, in this order: the address given; the address exported in the Secret; the load balancer; forwarding.
///
/// # Errors
/// When the load balancer gets no address in time.
pub async fn choose(
    plane: Plane<'_>,
    exported: &str,
    options: &ConnectOptions,
    step: &mut Step,
    deadline: Instant,
) -> Result<Endpoint> {
    if let Some(endpoint) = decided(exported, options) {
        return Ok(endpoint);
    }
    let Plane { host, name, namespace } = plane;
    let services: Api<Service> = host.api(namespace);
    let service =
        within(format!("read service {name} in namespace {namespace}"), services.get_opt(name))
            .await?;
    let balanced = service.as_ref().is_some_and(|service| {
        service.spec.as_ref().and_then(|spec| spec.type_.as_deref()) == Some("LoadBalancer")
    });
    if balanced {
        step.note("waiting for the load balancer's address");
        return balancer(services, name, namespace, host, deadline).await.map(Endpoint::Direct);
    }
    Ok(forwarded(options))
}

/// What can be decided without asking. Pure.
fn decided(exported: &str, options: &ConnectOptions) -> Option<Endpoint> {
    if let Some(server) = &options.server {
        return Some(Endpoint::Direct(with_scheme(server)));
    }
    // A command of its own must not depend on a load balancer that may be closed to this machine.
    if !options.command.is_empty() {
        return Some(Endpoint::InProcess);
    }
    if options.pod.is_some() {
        return Some(forwarded(options));
    }
    (!exported.is_empty() && !is_local(exported)).then(|| Endpoint::Direct(exported.to_owned()))
}

fn forwarded(options: &ConnectOptions) -> Endpoint {
    if options.forward.background_proxy { Endpoint::Background } else { Endpoint::InProcess }
}

/// The address of a forwarder, as seen from this machine.
pub fn local_url(at: SocketAddr) -> String {
    let address = match at.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        other => other,
    };
    format!("https://{}", SocketAddr::new(address, at.port()))
}

/// An address of IPv6 may be given without brackets, as `kubectl get service` shows it. Pure.
fn with_scheme(server: &str) -> String {
    match server.parse::<Ipv6Addr>() {
        Ok(address) => format!("https://[{address}]"),
        Err(_) if server.contains("://") => server.to_owned(),
        Err(_) => format!("https://{server}"),
    }
}

/// An address that only makes sense inside the pod, or through a forwarder.
fn is_local(server: &str) -> bool {
    let host = server
        .parse::<http::Uri>()
        .ok()
        .and_then(|url| url.host().map(str::to_owned))
        .unwrap_or_default();
    host == "localhost"
        || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

async fn balancer(
    services: Api<Service>,
    name: &str,
    namespace: &str,
    host: &Host,
    deadline: Instant,
) -> Result<String> {
    let deadline = deadline.min(Instant::now() + BALANCER_PATIENCE);
    let only = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let mut changes = watcher(services, only).default_backoff().applied_objects().boxed();
    let search = async {
        while let Some(service) = changes.try_next().await? {
            if let Some(address) = balancer_address(&service) {
                return Ok(Some(address));
            }
        }
        Ok::<_, watcher::Error>(None)
    };
    let hint = format!("kubectl --context {} -n {namespace} describe service {name}", host.context);
    match tokio::time::timeout_at(deadline, search).await {
        Ok(Ok(Some(address))) => Ok(address),
        Ok(Err(error)) => {
            Err(CliError::failed(format!("cannot watch service {name}")).cause(&error))
        }
        Ok(Ok(None)) | Err(_) => Err(CliError::new(
            Kind::Timeout,
            format!("the load balancer of virtual cluster {name} has no address"),
        )
        .because(
            "service type LoadBalancer needs a controller on the host that hands out addresses",
        )
        .hint(hint)),
    }
}

/// `https://address`, with the port when it is not 443. Pure.
fn balancer_address(service: &Service) -> Option<String> {
    let ingress = service.status.as_ref()?.load_balancer.as_ref()?.ingress.as_ref()?.first()?;
    let host =
        ingress.hostname.clone().or_else(|| ingress.ip.clone()).filter(|host| !host.is_empty())?;
    let ports = service.spec.as_ref().and_then(|spec| spec.ports.as_deref()).unwrap_or_default();
    let port = ports
        .iter()
        .find(|port| port.name.as_deref() == Some("https"))
        .or_else(|| ports.first())
        .map_or(443, |port| port.port);
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    Some(if port == 443 { format!("https://{host}") } else { format!("https://{host}:{port}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::{ForwardFlags, OutputFlags};
    use serde_json::{Value, json};

    fn options() -> ConnectOptions {
        let output = OutputFlags {
            update_current: true,
            kube_config: "./kubeconfig.yaml".into(),
            print: false,
            kube_config_context_name: None,
        };
        let forward = ForwardFlags {
            background_proxy: true,
            local_port: None,
            address: IpAddr::from([127, 0, 0, 1]),
            background_proxy_image: None,
        };
        ConnectOptions::of_create(output, forward)
    }

    #[test]
    fn the_order_is_given_exported_balanced_forwarded() {
        let with = |change: fn(&mut ConnectOptions)| {
            let mut options = options();
            change(&mut options);
            options
        };
        let direct = |url: &str| Some(Endpoint::Direct(url.to_owned()));
        let cases = [
            (
                "https://x.example",
                with(|it| it.server = Some("10.0.0.1:443".into())),
                direct("https://10.0.0.1:443"),
            ),
            (
                "https://x.example",
                with(|it| it.server = Some("fd00::1".into())),
                direct("https://[fd00::1]"),
            ),
            (
                "https://x.example",
                with(|it| it.server = Some("[fd00::1]:8443".into())),
                direct("https://[fd00::1]:8443"),
            ),
            (
                "https://x.example",
                with(|it| it.command = vec!["ls".into()]),
                Some(Endpoint::InProcess),
            ),
            (
                "https://x.example",
                with(|it| it.pod = Some("a-1".into())),
                Some(Endpoint::Background),
            ),
            ("https://x.example", options(), direct("https://x.example")),
            ("https://localhost:8443", options(), None),
            ("https://127.0.0.1:8443", options(), None),
            ("", options(), None),
        ];
        for (exported, options, expected) in cases {
            assert_eq!(decided(exported, &options), expected, "{exported}");
        }
        assert_eq!(forwarded(&options()), Endpoint::Background);
        assert_eq!(forwarded(&with(|it| it.forward.background_proxy = false)), Endpoint::InProcess);
    }

    #[test]
    fn local_addresses_can_be_dialled() {
        for (at, url) in [
            ("127.0.0.1:10001", "https://127.0.0.1:10001"),
            ("0.0.0.0:10001", "https://127.0.0.1:10001"),
            ("[::]:10001", "https://[::1]:10001"),
            ("192.168.1.2:10001", "https://192.168.1.2:10001"),
        ] {
            assert_eq!(local_url(at.parse().unwrap()), url);
        }
    }

    #[test]
    fn balancers_speak_by_name_or_address() {
        let service = |ingress: Value, port: i32| -> Service {
            serde_json::from_value(json!({
                "spec": { "ports": [{ "name": "kubelet", "port": 10250 }, { "name": "https", "port": port }] },
                "status": { "loadBalancer": { "ingress": ingress } },
            }))
            .unwrap()
        };
        for (ingress, port, expected) in [
            (json!([{ "ip": "1.2.3.4" }]), 443, Some("https://1.2.3.4")),
            (json!([{ "hostname": "lb.example" }]), 8443, Some("https://lb.example:8443")),
            (json!([{ "ip": "2001:db8::1" }]), 443, Some("https://[2001:db8::1]")),
            (json!([]), 443, None),
            (json!([{}]), 443, None),
        ] {
            assert_eq!(balancer_address(&service(ingress, port)).as_deref(), expected);
        }
    }
}
