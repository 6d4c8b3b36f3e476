//! Where each key of the classic charts went. A row holds for its key and all below it.

use serde_json::Value;

use super::{Turned, special};

/// What becomes of a key.
#[derive(Clone, Copy)]
pub(super) enum Rule {
    /// It has another place. `DISTRO` is the chart's distribution.
    To(&'static str),
    /// It says the opposite in another place.
    Not(&'static str),
    /// Its items belong to the list in another place.
    Append(&'static str),
    /// It came to nothing, for this reason.
    Gone(&'static str),
    /// It took another shape.
    Special(fn(&mut Turned<'_>, &str, &Value)),
}

use Rule::{Append, Gone, Not, Special, To};

/// The rule for a key.
pub(super) fn rule(path: &str) -> Option<Rule> {
    ROWS.iter().find(|(key, _)| *key == path).map(|(_, rule)| *rule)
}

/// Whether there are rules for keys below a key.
pub(super) fn leads_on(path: &str) -> bool {
    ROWS.iter().any(|(key, _)| key.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
}

const ALWAYS: &str = "it is always so now";
const OWN_IMAGE: &str = "the syncer is another program, with an image of its own";
const ONE_EDITION: &str = "everything is in the one edition there is";
const ARGUMENTS: &str = "the chart knows the arguments of its programs; add to them by extraArgs";
const NOTHING_SENT: &str = "nothing is ever sent anywhere";
const NO_JOB: &str = "the control plane makes its certificates at start";

#[rustfmt::skip]
const ROWS: &[(&str, Rule)] = &[
    ("global", To("global")),
    ("globalAnnotations", To("controlPlane.advanced.globalMetadata.annotations")),
    ("pro", Gone(ONE_EDITION)),
    ("proLicenseSecret", Gone(ONE_EDITION)),
    ("license", Gone(ONE_EDITION)),
    ("headless", To("experimental.isolatedControlPlane.headless")),
    ("enableHA", Gone("syncer.replicas says it")),
    ("replicas", To("controlPlane.statefulSet.highAvailability.replicas")),
    ("monitoring.serviceMonitor", To("controlPlane.serviceMonitor")),
    ("defaultImageRegistry", To("controlPlane.advanced.defaultImageRegistry")),
    ("plugin", To("plugin")),
    ("serviceCIDR", To("serviceCIDR")),
    ("fallbackHostDns", To("networking.advanced.fallbackHostCluster")),
    ("mapServices.fromVirtual", Append("networking.replicateServices.toHost")),
    ("mapServices.fromHost", Append("networking.replicateServices.fromHost")),
    ("proxy.metricsServer.nodes.enabled", Special(special::metrics)),
    ("proxy.metricsServer.pods.enabled", Special(special::metrics)),

    ("sync.services", To("sync.toHost.services")),
    ("sync.configmaps", To("sync.toHost.configMaps")),
    ("sync.secrets", To("sync.toHost.secrets")),
    ("sync.endpoints", To("sync.toHost.endpoints")),
    ("sync.pods.enabled", To("sync.toHost.pods.enabled")),
    ("sync.pods.ephemeralContainers", Gone(ALWAYS)),
    ("sync.pods.status", Gone(ALWAYS)),
    ("sync.events", To("sync.fromHost.events")),
    ("sync.persistentvolumeclaims", To("sync.toHost.persistentVolumeClaims")),
    ("sync.ingresses.enabled", To("sync.toHost.ingresses.enabled")),
    ("sync.ingresses.pathType", Gone("the path type of an Ingress is kept as it is")),
    ("sync.ingressclasses", To("sync.fromHost.ingressClasses")),
    ("sync.fake-nodes.enabled", Special(special::must_be_on)),
    ("sync.fake-persistentvolumes.enabled", Special(special::must_be_on)),
    ("sync.nodes.enabled", To("sync.fromHost.nodes.enabled")),
    ("sync.nodes.fakeKubeletIPs", To("networking.advanced.proxyKubelets.byIP")),
    ("sync.nodes.syncAllNodes", To("sync.fromHost.nodes.selector.all")),
    ("sync.nodes.nodeSelector", Special(special::node_selector)),
    ("sync.nodes.enableScheduler", To("controlPlane.advanced.virtualScheduler.enabled")),
    ("sync.nodes.syncNodeChanges", To("sync.fromHost.nodes.syncBackChanges")),
    ("sync.nodes.clearImageStatus", To("sync.fromHost.nodes.clearImageStatus")),
    ("sync.persistentvolumes", To("sync.toHost.persistentVolumes")),
    ("sync.storageclasses", To("sync.toHost.storageClasses")),
    ("sync.hoststorageclasses", To("sync.fromHost.storageClasses")),
    ("sync.legacy-storageclasses", To("sync.fromHost.storageClasses")),
    ("sync.priorityclasses", To("sync.toHost.priorityClasses")),
    ("sync.networkpolicies", To("sync.toHost.networkPolicies")),
    ("sync.volumesnapshots", To("sync.toHost.volumeSnapshots")),
    ("sync.poddisruptionbudgets", To("sync.toHost.podDisruptionBudgets")),
    ("sync.serviceaccounts", To("sync.toHost.serviceAccounts")),
    ("sync.csinodes", To("sync.fromHost.csiNodes")),
    ("sync.csidrivers", To("sync.fromHost.csiDrivers")),
    ("sync.csistoragecapacities", To("sync.fromHost.csiStorageCapacities")),
    ("sync.generic.config", Special(special::generic_sync)),
    ("sync.generic.clusterRole", To("experimental.genericSync.clusterRole")),
    ("sync.generic.role", To("experimental.genericSync.role")),

    ("syncer.image", Gone(OWN_IMAGE)),
    ("syncer.imagePullPolicy", To("controlPlane.statefulSet.imagePullPolicy")),
    ("syncer.replicas", To("controlPlane.statefulSet.highAvailability.replicas")),
    ("syncer.extraArgs", Special(super::flags::turn)),
    ("syncer.env", Append("controlPlane.statefulSet.env")),
    ("syncer.livenessProbe", To("controlPlane.statefulSet.probes.livenessProbe")),
    ("syncer.readinessProbe", To("controlPlane.statefulSet.probes.readinessProbe")),
    ("syncer.volumeMounts", Special(special::mounts)),
    ("syncer.extraVolumeMounts", Special(special::mounts)),
    ("syncer.volumes", Append("controlPlane.statefulSet.persistence.addVolumes")),
    ("syncer.resources", To("controlPlane.statefulSet.resources")),
    ("syncer.kubeConfigContextName", To("exportKubeConfig.context")),
    ("syncer.serviceAnnotations", To("controlPlane.service.annotations")),
    ("syncer.noArgs", Gone(ARGUMENTS)),
    ("syncer.storage.persistence", To("controlPlane.statefulSet.persistence.volumeClaim.enabled")),
    ("syncer.storage.size", To("controlPlane.statefulSet.persistence.volumeClaim.size")),
    ("syncer.storage.className", To("controlPlane.statefulSet.persistence.volumeClaim.storageClass")),
    ("syncer.storage.binariesVolume", Special(special::binaries)),
    ("syncer.labels", To("controlPlane.statefulSet.labels")),
    ("syncer.annotations", To("controlPlane.statefulSet.annotations")),
    ("syncer.podLabels", To("controlPlane.statefulSet.pods.labels")),
    ("syncer.podAnnotations", To("controlPlane.statefulSet.pods.annotations")),
    ("syncer.nodeSelector", To("controlPlane.statefulSet.scheduling.nodeSelector")),
    ("syncer.affinity", To("controlPlane.statefulSet.scheduling.affinity")),
    ("syncer.tolerations", To("controlPlane.statefulSet.scheduling.tolerations")),
    ("syncer.priorityClassName", To("controlPlane.statefulSet.scheduling.priorityClassName")),
    ("syncer.securityContext", To("controlPlane.statefulSet.security.containerSecurityContext")),
    ("syncer.podSecurityContext", To("controlPlane.statefulSet.security.podSecurityContext")),

    ("vcluster.image", Special(special::distro_image)),
    ("vcluster.imagePullPolicy", To("controlPlane.distro.DISTRO.imagePullPolicy")),
    ("vcluster.command", Gone(ARGUMENTS)),
    ("vcluster.baseArgs", Gone(ARGUMENTS)),
    ("vcluster.extraArgs", To("controlPlane.distro.DISTRO.extraArgs")),
    ("vcluster.env", Append("controlPlane.distro.DISTRO.env")),
    ("vcluster.extraVolumeMounts", Special(special::mounts)),
    ("vcluster.volumeMounts", Special(special::mounts)),
    ("vcluster.resources", To("controlPlane.statefulSet.resources")),
    ("vcluster.priorityClassName", To("controlPlane.statefulSet.scheduling.priorityClassName")),
    ("config", To("controlPlane.distro.k0s.config")),
    ("k3sToken", To("controlPlane.distro.k3s.token")),
    ("storage.persistence", To("controlPlane.statefulSet.persistence.volumeClaim.enabled")),
    ("storage.size", To("controlPlane.statefulSet.persistence.volumeClaim.size")),
    ("storage.className", To("controlPlane.statefulSet.persistence.volumeClaim.storageClass")),
    ("storage.binariesVolume", Special(special::binaries)),
    ("volumes", Append("controlPlane.statefulSet.persistence.addVolumes")),
    ("autoDeletePersistentVolumeClaims", Special(special::retention)),

    ("api.image", Special(special::program_image)),
    ("api.imagePullPolicy", To("controlPlane.distro.DISTRO.apiServer.imagePullPolicy")),
    ("api.extraArgs", To("controlPlane.distro.DISTRO.apiServer.extraArgs")),
    ("controller.image", Special(special::program_image)),
    ("controller.imagePullPolicy", To("controlPlane.distro.DISTRO.controllerManager.imagePullPolicy")),
    ("controller.extraArgs", To("controlPlane.distro.DISTRO.controllerManager.extraArgs")),
    ("scheduler.image", Special(special::program_image)),
    ("scheduler.imagePullPolicy", To("controlPlane.distro.DISTRO.scheduler.imagePullPolicy")),
    ("scheduler.extraArgs", To("controlPlane.distro.DISTRO.scheduler.extraArgs")),
    ("scheduler.disabled", Not("controlPlane.advanced.virtualScheduler.enabled")),
    ("etcd.image", Special(special::program_image)),
    ("etcd.imagePullPolicy", To("controlPlane.backingStore.etcd.deploy.statefulSet.imagePullPolicy")),
    ("etcd.extraArgs", To("controlPlane.backingStore.etcd.deploy.statefulSet.extraArgs")),
    ("etcd.replicas", To("controlPlane.backingStore.etcd.deploy.statefulSet.highAvailability.replicas")),
    ("etcd.resources", To("controlPlane.backingStore.etcd.deploy.statefulSet.resources")),
    ("etcd.labels", To("controlPlane.backingStore.etcd.deploy.statefulSet.labels")),
    ("etcd.annotations", To("controlPlane.backingStore.etcd.deploy.statefulSet.annotations")),
    ("etcd.podLabels", To("controlPlane.backingStore.etcd.deploy.statefulSet.pods.labels")),
    ("etcd.podAnnotations", To("controlPlane.backingStore.etcd.deploy.statefulSet.pods.annotations")),
    ("etcd.nodeSelector", To("controlPlane.backingStore.etcd.deploy.statefulSet.scheduling.nodeSelector")),
    ("etcd.affinity", To("controlPlane.backingStore.etcd.deploy.statefulSet.scheduling.affinity")),
    ("etcd.tolerations", To("controlPlane.backingStore.etcd.deploy.statefulSet.scheduling.tolerations")),
    ("etcd.priorityClassName", To("controlPlane.backingStore.etcd.deploy.statefulSet.scheduling.priorityClassName")),
    ("etcd.securityContext", To("controlPlane.backingStore.etcd.deploy.statefulSet.security.podSecurityContext")),
    ("etcd.serviceAnnotations", To("controlPlane.backingStore.etcd.deploy.service.annotations")),
    ("etcd.storage.persistence", To("controlPlane.backingStore.etcd.deploy.statefulSet.persistence.volumeClaim.enabled")),
    ("etcd.storage.size", To("controlPlane.backingStore.etcd.deploy.statefulSet.persistence.volumeClaim.size")),
    ("etcd.storage.className", To("controlPlane.backingStore.etcd.deploy.statefulSet.persistence.volumeClaim.storageClass")),
    ("etcd.autoDeletePersistentVolumeClaims", Special(special::retention)),
    ("embeddedEtcd.enabled", Special(special::embedded_etcd)),
    ("embeddedEtcd.migrateFromEtcd", To("controlPlane.backingStore.etcd.embedded.migrateFromDeployedEtcd")),
    ("job", Gone(NO_JOB)),

    ("centralAdmission", To("policies.centralAdmission")),
    ("serviceAccount.create", To("controlPlane.advanced.serviceAccount.enabled")),
    ("serviceAccount.name", To("controlPlane.advanced.serviceAccount.name")),
    ("serviceAccount.imagePullSecrets", To("controlPlane.advanced.serviceAccount.imagePullSecrets")),
    ("serviceAccount.annotations", To("controlPlane.advanced.serviceAccount.annotations")),
    ("workloadServiceAccount", To("controlPlane.advanced.workloadServiceAccount")),
    ("rbac.clusterRole.create", To("rbac.clusterRole.enabled")),
    ("rbac.clusterRole.extraRules", To("rbac.clusterRole.extraRules")),
    ("rbac.role.create", To("rbac.role.enabled")),
    ("rbac.role.extended", Gone("each option brings the rights that it needs")),
    ("rbac.role.extraRules", To("rbac.role.extraRules")),
    ("rbac.role.excludedApiResources", Gone("a Role is replaced as a whole, by rbac.role.overwriteRules")),

    ("labels", To("controlPlane.statefulSet.labels")),
    ("annotations", To("controlPlane.statefulSet.annotations")),
    ("podLabels", To("controlPlane.statefulSet.pods.labels")),
    ("podAnnotations", To("controlPlane.statefulSet.pods.annotations")),
    ("nodeSelector", To("controlPlane.statefulSet.scheduling.nodeSelector")),
    ("affinity", To("controlPlane.statefulSet.scheduling.affinity")),
    ("tolerations", To("controlPlane.statefulSet.scheduling.tolerations")),
    ("priorityClassName", To("controlPlane.statefulSet.scheduling.priorityClassName")),
    ("topologySpreadConstraints", To("controlPlane.statefulSet.scheduling.topologySpreadConstraints")),
    ("securityContext", To("controlPlane.statefulSet.security.containerSecurityContext")),
    ("podSecurityContext", To("controlPlane.statefulSet.security.podSecurityContext")),
    ("fsGroup", To("controlPlane.statefulSet.security.podSecurityContext.fsGroup")),

    ("service.type", To("controlPlane.service.spec.type")),
    ("service.externalIPs", To("controlPlane.service.spec.externalIPs")),
    ("service.externalTrafficPolicy", Special(special::policy)),
    ("service.loadBalancerIP", Special(special::policy)),
    ("service.loadBalancerSourceRanges", To("controlPlane.service.spec.loadBalancerSourceRanges")),
    ("service.loadBalancerClass", Special(special::policy)),
    ("service.loadBalancerAnnotations", To("controlPlane.service.annotations")),
    ("ingress.enabled", To("controlPlane.ingress.enabled")),
    ("ingress.pathType", To("controlPlane.ingress.pathType")),
    ("ingress.apiVersion", Gone("there is one version of Ingress now")),
    ("ingress.ingressClassName", Special(special::policy)),
    ("ingress.host", To("controlPlane.ingress.host")),
    ("ingress.annotations", To("controlPlane.ingress.annotations")),
    ("ingress.tls", To("controlPlane.ingress.spec.tls")),
    ("openshift.enable", Gone("the chart fits OpenShift as it is")),

    ("coredns.enabled", To("controlPlane.coredns.enabled")),
    ("coredns.integrated", To("controlPlane.coredns.embedded")),
    ("coredns.fallback", Special(special::fallback)),
    ("coredns.plugin.enabled", Gone("names are not mapped by a plugin of CoreDNS")),
    ("coredns.plugin.config", Append("networking.resolveDNS")),
    ("coredns.config", To("controlPlane.coredns.overwriteConfig")),
    ("coredns.manifests", To("controlPlane.coredns.overwriteManifests")),
    ("coredns.image", To("controlPlane.coredns.deployment.image")),
    ("coredns.replicas", To("controlPlane.coredns.deployment.replicas")),
    ("coredns.nodeSelector", To("controlPlane.coredns.deployment.nodeSelector")),
    ("coredns.resources", To("controlPlane.coredns.deployment.resources")),
    ("coredns.podAnnotations", To("controlPlane.coredns.deployment.pods.annotations")),
    ("coredns.podLabels", To("controlPlane.coredns.deployment.pods.labels")),
    ("coredns.service.type", To("controlPlane.coredns.service.spec.type")),
    ("coredns.service.externalIPs", To("controlPlane.coredns.service.spec.externalIPs")),
    ("coredns.service.externalTrafficPolicy", Special(special::policy)),
    ("coredns.service.annotations", To("controlPlane.coredns.service.annotations")),

    ("isolation", Special(special::isolation)),

    ("init.manifests", Special(special::manifests)),
    ("init.manifestsTemplate", Special(special::manifests)),
    ("init.helm", To("experimental.deploy.vcluster.helm")),
    ("multiNamespaceMode", To("experimental.multiNamespaceMode")),
    ("telemetry.disabled", Not("telemetry.enabled")),
    ("telemetry.instanceCreator", Gone(NOTHING_SENT)),
    ("telemetry.platformUserID", Gone(NOTHING_SENT)),
    ("telemetry.platformInstanceID", Gone(NOTHING_SENT)),
    ("telemetry.machineID", Gone(NOTHING_SENT)),
    ("noopSyncer.enabled", To("experimental.syncSettings.disableSync")),
    ("noopSyncer.synck8sService", To("experimental.syncSettings.rewriteKubernetesService")),
];

#[cfg(test)]
pub(super) fn targets() -> impl Iterator<Item = &'static str> {
    ROWS.iter().filter_map(|(_, rule)| match rule {
        To(to) | Not(to) | Append(to) => Some(*to),
        Gone(_) | Special(_) => None,
    })
}
