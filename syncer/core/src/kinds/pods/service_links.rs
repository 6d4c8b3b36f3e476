//! The environment variables by which containers find Services, as the kubelet makes them.
//!
//! On the host the kubelet knows only host Services, so those of the virtual namespace are written into the pod.

use std::collections::BTreeMap;

use crate::json::{Value, json};

use crate::{Object, Virtual};

use super::paths::text;

/// Names and values.
pub type Variables = BTreeMap<String, String>;

/// The variables of the Kubernetes API itself.
pub fn of_api(ip: &str) -> Variables {
    let mut variables = Variables::new();
    let port = json!({"name": "https", "port": 443, "protocol": "TCP"});
    add(&mut variables, "kubernetes", ip, &[port]);
    variables
}

/// The variables of the Services of a namespace that have an IP.
pub fn of_services(services: &[Virtual<Object>]) -> Variables {
    let mut variables = Variables::new();
    for service in services {
        let ip = service.str_at(&["spec", "clusterIP"]).unwrap_or_default();
        // In `default` this is the API's own Service, for which the host Service speaks.
        let api = service.namespace() == "default" && service.name() == "kubernetes";
        if !ip.is_empty() && ip != "None" && !api {
            add(&mut variables, service.name(), ip, service.items_at(&["spec", "ports"]));
        }
    }
    variables
}

/// Puts variables before those of a container. What the container sets itself wins, and can refer to ours as `$(NAME)`.
pub fn inject(container: &mut Value, variables: &Variables) {
    let Some(members) = container.as_object_mut() else { return };
    let own = members.get("env").and_then(Value::as_array).cloned().unwrap_or_default();
    let is_set = |name: &str| own.iter().any(|variable| text(variable, "name") == name);
    let mut all: Vec<Value> = variables
        .iter()
        .filter(|(name, _)| !is_set(name))
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect();
    all.extend(own);
    members.insert("env", all.into());
}

fn add(variables: &mut Variables, name: &str, ip: &str, ports: &[Value]) {
    let name = variable_name(name);
    let mut put = |suffix: &str, value: &str| {
        let variable = format!("{name}{suffix}");
        if is_valid(&variable) {
            variables.insert(variable, value.to_owned());
        }
    };
    put("_SERVICE_HOST", ip);
    let shown = if ip.contains(':') { format!("[{ip}]") } else { ip.to_owned() };
    for (place, port) in ports.iter().enumerate() {
        let Some(number) = port.get("port").and_then(Value::as_u64) else { continue };
        let number = number.to_string();
        let protocol = match text(port, "protocol") {
            "" => "TCP",
            protocol => protocol,
        };
        let (upper, lower) = (protocol.to_uppercase(), protocol.to_lowercase());
        let url = format!("{lower}://{shown}:{number}");
        if place == 0 {
            put("_SERVICE_PORT", &number);
            put("_PORT", &url);
        }
        if !text(port, "name").is_empty() {
            put(&format!("_SERVICE_PORT_{}", variable_name(text(port, "name"))), &number);
        }
        let prefix = format!("_PORT_{number}_{upper}");
        put(&prefix, &url);
        put(&format!("{prefix}_PROTO"), &lower);
        put(&format!("{prefix}_PORT"), &number);
        put(&format!("{prefix}_ADDR"), ip);
    }
}

fn variable_name(name: &str) -> String {
    name.replace('-', "_").to_uppercase()
}

/// What every version of the API takes as the name of a variable: one bad name would refuse the whole pod.
fn is_valid(name: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    name.chars().all(good) && !name.starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_has_the_eight_well_known_variables() {
        let variables = of_api("10.96.0.7");
        let lines: Vec<_> =
            variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            lines,
            [
                "KUBERNETES_PORT=tcp://10.96.0.7:443",
                "KUBERNETES_PORT_443_TCP=tcp://10.96.0.7:443",
                "KUBERNETES_PORT_443_TCP_ADDR=10.96.0.7",
                "KUBERNETES_PORT_443_TCP_PORT=443",
                "KUBERNETES_PORT_443_TCP_PROTO=tcp",
                "KUBERNETES_SERVICE_HOST=10.96.0.7",
                "KUBERNETES_SERVICE_PORT=443",
                "KUBERNETES_SERVICE_PORT_HTTPS=443",
            ]
        );
        assert_eq!(of_api("fd00::1").get("KUBERNETES_PORT").unwrap(), "tcp://[fd00::1]:443");
    }

    fn service(namespace: &str, name: &str, ip: &str, ports: Value) -> Virtual<Object> {
        Virtual(Object::new(json!({
            "metadata": {"name": name, "namespace": namespace}, "spec": {"clusterIP": ip, "ports": ports},
        })))
    }

    #[test]
    fn services_are_told_as_the_kubelet_does() {
        let ports = json!([{"name": "http-web", "port": 80}, {"name": "dns", "port": 53, "protocol": "UDP"}]);
        let variables = of_services(&[
            service("shop", "my-db", "10.1.2.3", ports),
            service("shop", "headless", "None", json!([{"port": 1}])),
            service("shop", "external", "", json!([])),
            service("shop", "9lives", "10.1.2.4", json!([{"port": 9}])),
            service("default", "kubernetes", "10.1.0.1", json!([{"port": 443}])),
        ]);
        assert_eq!(variables["MY_DB_SERVICE_HOST"], "10.1.2.3");
        assert_eq!(variables["MY_DB_SERVICE_PORT"], "80");
        assert_eq!(variables["MY_DB_SERVICE_PORT_HTTP_WEB"], "80");
        assert_eq!(variables["MY_DB_SERVICE_PORT_DNS"], "53");
        assert_eq!(variables["MY_DB_PORT"], "tcp://10.1.2.3:80");
        assert_eq!(variables["MY_DB_PORT_53_UDP_PROTO"], "udp");
        assert_eq!(variables.len(), 5 + 2 * 4);
    }

    #[test]
    fn what_a_container_sets_wins() {
        let mut container = json!({"env": [{"name": "KUBERNETES_PORT", "value": "mine"}, {"name": "A", "value": "$$(B)"}]});
        inject(&mut container, &of_api("10.96.0.7"));
        let env = container["env"].as_array().unwrap();
        assert_eq!(env.len(), 9);
        assert_eq!(env[0]["name"], "KUBERNETES_PORT_443_TCP");
        assert_eq!(env[7]["value"], "mine");
        assert_eq!(env[8]["value"], "$$(B)");
    }
}
