//! The table itself. A row goes when what it names is built.

use super::{Row, State};

const fn refused(path: &'static str, reason: &'static str, instead: &'static str) -> Row {
    Row { path, state: State::Refused, reason, instead }
}

const fn accepted(path: &'static str, reason: &'static str) -> Row {
    Row { path, state: State::Accepted, reason, instead: "" }
}

const NOT_MIRRORED: &str = "this kind is not mirrored in this version";
const NO_PATCHES: &str = "patches of mirrored objects are not there in this version";
const NO_INTEGRATION: &str = "this integration is not there in this version";
const OWN_NODES: &str = "a virtual cluster has no nodes of its own: its pods run on the host's";
const FOR_OWN_NODES: &str = "it only concerns clusters with nodes of their own";
const COMMERCIAL: &str = "it belongs to a commercial product that is not part of this project";

/// Every key of the charts 0.20 and August 2026 that is not honoured.
pub(crate) const ROWS: &[Row] = &[
    // sync
    refused("sync.*.*.patches", NO_PATCHES, ""),
    refused("sync.toHost.gatewayApi", NOT_MIRRORED, ""),
    refused(
        "sync.toHost.ingresses",
        NOT_MIRRORED,
        "make the Ingress on the host, for the mirrored service",
    ),
    refused("sync.toHost.networkPolicies", NOT_MIRRORED, ""),
    refused(
        "sync.toHost.persistentVolumes",
        NOT_MIRRORED,
        "volumes of claims are shown without it",
    ),
    refused("sync.toHost.podDisruptionBudgets", NOT_MIRRORED, ""),
    refused("sync.toHost.priorityClasses", NOT_MIRRORED, ""),
    refused("sync.toHost.serviceAccounts", NOT_MIRRORED, ""),
    refused("sync.toHost.storageClasses", NOT_MIRRORED, ""),
    refused("sync.toHost.volumeSnapshots", NOT_MIRRORED, ""),
    refused("sync.toHost.volumeSnapshotContents", NOT_MIRRORED, ""),
    refused("sync.toHost.namespaces", NOT_MIRRORED, ""),
    refused("sync.toHost.resourceClaims", NOT_MIRRORED, ""),
    refused("sync.toHost.resourceClaimTemplates", NOT_MIRRORED, ""),
    refused("sync.toHost.customResources", NOT_MIRRORED, ""),
    accepted(
        "sync.toHost.pods.rewriteHosts.initContainer.image",
        "the container runs this project's own image",
    ),
    accepted(
        "sync.toHost.pods.useSecretsForSATokens",
        "tokens reach pods in a Secret that is refreshed before they expire, always",
    ),
    refused("sync.fromHost.configMaps", NOT_MIRRORED, ""),
    refused("sync.fromHost.secrets", NOT_MIRRORED, ""),
    refused(
        "sync.fromHost.storageClasses.selector",
        "storage classes are shown all or not at all in this version",
        "",
    ),
    refused(
        "sync.fromHost.nodes.syncBackChanges",
        "a virtual cluster does not change the host's nodes",
        "label and taint the virtual nodes, which a scheduler inside heeds",
    ),
    refused("sync.fromHost.ingressClasses", NOT_MIRRORED, ""),
    refused("sync.fromHost.gatewayClasses", NOT_MIRRORED, ""),
    refused("sync.fromHost.gateways", NOT_MIRRORED, ""),
    refused("sync.fromHost.runtimeClasses", NOT_MIRRORED, ""),
    refused("sync.fromHost.priorityClasses", NOT_MIRRORED, ""),
    refused("sync.fromHost.deviceClasses", NOT_MIRRORED, ""),
    refused("sync.fromHost.volumeSnapshotClasses", NOT_MIRRORED, ""),
    refused("sync.fromHost.customResources", NOT_MIRRORED, ""),
    // controlPlane
    accepted(
        "controlPlane.distro.k0s.resources",
        "it sized an init container that is not there; see controlPlane.statefulSet.resources",
    ),
    accepted(
        "controlPlane.distro.k3s.resources",
        "it sized an init container that is not there; see controlPlane.statefulSet.resources",
    ),
    accepted(
        "controlPlane.distro.k8s.resources",
        "it sized an init container that is not there; each program has its own",
    ),
    refused(
        "controlPlane.backingStore.database.external.connector",
        "databases are not made by the chart",
        "use controlPlane.backingStore.database.external.dataSource",
    ),
    refused(
        "controlPlane.backingStore.database.external.identityProvider",
        "kine logs in with a password or a certificate",
        "use controlPlane.backingStore.database.external.dataSource",
    ),
    accepted("controlPlane.backingStore.database.embedded.dataSource", "SQLite lies on the claim"),
    accepted(
        "controlPlane.backingStore.database.embedded.identityProvider",
        "SQLite has no log-in",
    ),
    accepted(
        "controlPlane.backingStore.database.embedded.keyFile",
        "SQLite has no connection to protect",
    ),
    accepted(
        "controlPlane.backingStore.database.embedded.certFile",
        "SQLite has no connection to protect",
    ),
    accepted(
        "controlPlane.backingStore.database.embedded.caFile",
        "SQLite has no connection to protect",
    ),
    refused(
        "controlPlane.backingStore.etcd.embedded",
        "each program of the control plane runs in a container of its own",
        "use controlPlane.backingStore.etcd.deploy",
    ),
    refused(
        "controlPlane.coredns.embedded",
        "CoreDNS runs as a Deployment in the virtual cluster",
        "leave it out",
    ),
    accepted(
        "controlPlane.service.kubeletNodePort",
        "the kubelet API has a Service of its own for every node",
    ),
    refused("controlPlane.hostPathMapper", "paths of hosts are not mapped in this version", ""),
    refused("controlPlane.standalone.enabled", OWN_NODES, ""),
    accepted("controlPlane.standalone", FOR_OWN_NODES),
    accepted("controlPlane.endpoint", FOR_OWN_NODES),
    refused("controlPlane.statefulSet.command", "the syncer's command line is the chart's", ""),
    refused("controlPlane.statefulSet.args", "the syncer's command line is the chart's", ""),
    accepted(
        "controlPlane.statefulSet.workingDir",
        "the syncer reads and writes by absolute paths",
    ),
    accepted("controlPlane.advanced.cloudControllerManager", FOR_OWN_NODES),
    accepted("controlPlane.advanced.konnectivity", FOR_OWN_NODES),
    refused("controlPlane.advanced.registry", OWN_NODES, ""),
    refused(
        "controlPlane.advanced.kubeVip",
        OWN_NODES,
        "use controlPlane.service.spec.type LoadBalancer",
    ),
    // networking
    accepted("networking.podCIDR", "pods have addresses of the host"),
    refused("networking.replicateServices", "services are not replicated in this version", ""),
    refused(
        "networking.resolveDNS",
        "names are not mapped in this version",
        "use controlPlane.coredns.overwriteConfig",
    ),
    accepted("networking.advanced.proxyKubelets", "the kubelet API is reached by address, always"),
    // policies, rbac
    accepted("policies.networkPolicy.outgoingConnections.platform", COMMERCIAL),
    accepted("rbac.enableVolumeSnapshotRules", "volume snapshots are not mirrored in this version"),
    // the rest
    accepted(
        "integrations.metricsServer.apiService",
        "the host's API server knows where its metrics-server is",
    ),
    refused("integrations.argoCD", NO_INTEGRATION, ""),
    refused("integrations.certManager", NO_INTEGRATION, ""),
    refused("integrations.externalSecrets", NO_INTEGRATION, ""),
    refused("integrations.istio", NO_INTEGRATION, ""),
    refused("integrations.kubeVirt", NO_INTEGRATION, ""),
    refused("integrations.netris", NO_INTEGRATION, ""),
    refused("plugins", "plugins are Go programs that only the Go syncer can load", ""),
    refused("plugin", "plugins are Go programs that only the Go syncer can load", ""),
    refused("privateNodes", OWN_NODES, ""),
    accepted("deploy", FOR_OWN_NODES),
    refused("snapshots", "there are no scheduled snapshots in this version", ""),
    refused(
        "deletion",
        "clusters are not deleted by themselves in this version",
        "use `vcluster delete`",
    ),
    accepted("platform", COMMERCIAL),
    refused("external", COMMERCIAL, ""),
    accepted("pro", "everything is in the one edition there is"),
    accepted("logging.file", "logs go to the container's output"),
    accepted("telemetry.enabled", "nothing is ever sent anywhere"),
    accepted("telemetry.instanceCreator", "nothing is ever sent anywhere"),
    accepted("telemetry.machineID", "nothing is ever sent anywhere"),
    accepted("telemetry.platformInstanceID", "nothing is ever sent anywhere"),
    accepted("telemetry.platformUserID", "nothing is ever sent anywhere"),
    accepted(
        "experimental.syncSettings.hostMetricsBindAddress",
        "metrics are at the syncer's own port",
    ),
    accepted(
        "experimental.syncSettings.virtualMetricsBindAddress",
        "metrics are at the syncer's own port",
    ),
    accepted("experimental.syncSettings.syncLabels", "all labels are mirrored"),
    refused(
        "experimental.syncSettings.disableSync",
        "a virtual cluster without a syncer runs no pods",
        "",
    ),
    refused(
        "experimental.syncSettings.rewriteKubernetesService",
        "pods find the API server by its mirrored address",
        "",
    ),
    refused(
        "experimental.syncSettings.targetNamespace",
        "pods run in the namespace of the control plane",
        "",
    ),
    refused(
        "experimental.multiNamespaceMode",
        "pods run in the namespace of the control plane",
        "",
    ),
    refused(
        "experimental.isolatedControlPlane",
        "pods run in the namespace of the control plane",
        "",
    ),
    refused("experimental.genericSync", "custom kinds are not mirrored in this version", ""),
    refused(
        "experimental.deploy",
        "manifests are not applied by the syncer in this version",
        "use `vcluster connect NAME -- kubectl apply -f FILE`",
    ),
    refused(
        "experimental.virtualClusterKubeConfig",
        "the control plane is always the chart's own",
        "",
    ),
    refused(
        "experimental.denyProxyRequests",
        "there is no proxy before the API server",
        "use a ValidatingAdmissionPolicy inside",
    ),
    refused("experimental.proxy", "there is no proxy before the API server", ""),
    accepted("experimental.docker", "virtual clusters run on a Kubernetes host"),
    refused("experimental.nodeMonitors", "node monitors are not made in this version", ""),
];
