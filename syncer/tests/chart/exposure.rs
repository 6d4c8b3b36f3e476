//! How clients, gateways and Prometheus reach the control plane.

use serde_json::json;

use crate::render::{NAME, chart, of_kind, one};

#[test]
fn the_service_takes_what_load_balancers_need() {
    let objects = chart(
        "controlPlane: {service: {httpsNodePort: 30443, annotations: {lb: internal}, labels: {team: a}, spec: {\
         type: LoadBalancer, externalTrafficPolicy: Local, loadBalancerSourceRanges: [203.0.113.0/24], \
         loadBalancerClass: example.com/lb, loadBalancerIP: 203.0.113.7}}}",
    );
    let service = one(&objects, "Service", NAME);
    assert_eq!(service["metadata"]["annotations"], json!({ "lb": "internal" }));
    assert_eq!(service["metadata"]["labels"]["team"], "a");
    let spec = &service["spec"];
    for (key, value) in [
        ("type", json!("LoadBalancer")),
        ("externalTrafficPolicy", json!("Local")),
        ("loadBalancerSourceRanges", json!(["203.0.113.0/24"])),
        ("loadBalancerClass", json!("example.com/lb")),
        ("loadBalancerIP", json!("203.0.113.7")),
        ("selector", json!({ "app": "vcluster", "release": NAME })),
    ] {
        assert_eq!(spec[key], value, "{key}");
    }
    assert_eq!(spec["ports"][0]["nodePort"], 30443);
    let plain = chart("controlPlane: {service: {spec: {type: NodePort}}}");
    assert!(
        one(&plain, "Service", NAME)["spec"]["ports"][0].get("nodePort").is_none(),
        "any will do"
    );
}

#[test]
fn an_ingress_passes_tls_through() {
    let objects = chart(
        "controlPlane: {ingress: {enabled: true, host: vc.example.com, spec: {ingressClassName: nginx}}}",
    );
    let ingress = one(&objects, "Ingress", NAME);
    assert_eq!(
        ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/ssl-passthrough"],
        "true"
    );
    assert_eq!(ingress["spec"]["ingressClassName"], "nginx");
    let rule = &ingress["spec"]["rules"][0];
    assert_eq!(rule["host"], "vc.example.com");
    assert_eq!(
        rule["http"]["paths"][0]["backend"]["service"],
        json!({ "name": NAME, "port": { "name": "https" } })
    );
}

#[test]
fn a_route_leads_from_a_gateway_to_the_service() {
    assert!(of_kind(&chart(""), "TLSRoute").is_empty());
    let gateway = "parentRefs: [{name: gateway, namespace: gateways, sectionName: tls}]";
    let objects = chart(&format!(
        "controlPlane: {{tlsRoute: {{enabled: true, host: vc.example.com, {gateway}}}}}"
    ));
    let route = one(&objects, "TLSRoute", NAME);
    assert_eq!(route["apiVersion"], "gateway.networking.k8s.io/v1");
    assert_eq!(
        route["spec"],
        json!({
            "hostnames": ["vc.example.com"],
            "parentRefs": [{ "name": "gateway", "namespace": "gateways", "sectionName": "tls" }],
            "rules": [{ "backendRefs": [{ "name": NAME, "port": 443 }] }],
        })
    );
    let own = chart(
        "controlPlane: {tlsRoute: {enabled: true, apiVersion: gateway.networking.k8s.io/v1alpha2, labels: {a: b}, \
         spec: {parentRefs: [{name: other}], hostnames: [a.example.com, b.example.com]}}}",
    );
    let route = one(&own, "TLSRoute", NAME);
    assert_eq!(route["apiVersion"], "gateway.networking.k8s.io/v1alpha2");
    assert_eq!(route["spec"]["hostnames"], json!(["a.example.com", "b.example.com"]));
    assert_eq!(route["spec"]["parentRefs"], json!([{ "name": "other" }]));
    assert_eq!(route["metadata"]["labels"]["a"], "b");
}

#[test]
fn a_monitor_finds_the_ports_that_it_names() {
    assert!(of_kind(&chart(""), "ServiceMonitor").is_empty());
    let objects = chart(
        "controlPlane: {serviceMonitor: {enabled: true, labels: {release: prometheus}, annotations: {a: b}}}",
    );
    let monitor = one(&objects, "ServiceMonitor", NAME);
    assert_eq!(monitor["metadata"]["labels"]["release"], "prometheus");
    let wanted = monitor["spec"]["selector"]["matchLabels"].as_object().unwrap();
    let found: Vec<_> = of_kind(&objects, "Service")
        .into_iter()
        .filter(|service| {
            wanted.iter().all(|(key, value)| &service["metadata"]["labels"][key] == value)
        })
        .collect();
    let [service] = found.as_slice() else { panic!("it selects {} services", found.len()) };
    let names: Vec<_> =
        service["spec"]["ports"].as_array().unwrap().iter().map(|port| &port["name"]).collect();
    for endpoint in monitor["spec"]["endpoints"].as_array().unwrap() {
        assert!(names.contains(&&endpoint["port"]), "no port is called {}", endpoint["port"]);
    }
    // A Secret that logs in with a token holds no certificate.
    let tls = &monitor["spec"]["endpoints"][1];
    assert_eq!(tls["tlsConfig"]["keySecret"], json!({ "name": "vc-my-vc", "key": "client-key" }));
    let objects = chart(
        "controlPlane: {serviceMonitor: {enabled: true}}\nexportKubeConfig: {serviceAccount: {name: ci}}",
    );
    let tls = &one(&objects, "ServiceMonitor", NAME)["spec"]["endpoints"][1];
    assert_eq!(tls["authorization"]["credentials"], json!({ "name": "vc-my-vc", "key": "token" }));
    assert!(tls["tlsConfig"].get("cert").is_none());
}
