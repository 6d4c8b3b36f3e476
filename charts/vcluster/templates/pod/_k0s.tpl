{{/* k0s: one program that starts API server, controllers and kine. It takes authorities and the keys of
     tokens from the folder where it looks for them; certificates that others see come from us, and are
     read again when they change. Everything that concerns nodes or comes as an add-on is off.
     Arguments: https://docs.k0sproject.io/stable/cli/k0s_controller/
     Configuration: https://docs.k0sproject.io/stable/configuration/ */}}

{{- define "vcluster.k0s.args" -}}
{{- $off := list "autopilot" "control-api" "coredns" "csr-approver" "endpoint-reconciler" "helm" "konnectivity-server" "kube-proxy" "kube-scheduler" "metrics-server" "network-provider" "node-role" "system-rbac" "worker-config" -}}
{{- if include "vcluster.scheduler" . }}{{ $off = without $off "kube-scheduler" }}{{ end -}}
{{/* Newer releases ask whether there is a newer one. */}}
{{- $minor := regexFind ":v1[.][0-9]+" (include "vcluster.distroImage" .) | trimPrefix ":v1." | default "34" -}}
{{- if ge (int $minor) 34 }}{{ $off = append $off "update-prober" }}{{ end -}}
{{- $ours := list
  "--config=/pki/k0s.yaml"
  "--data-dir=/data/k0s"
  (printf "--disable-components=%s" (join "," $off))
  "--ignore-pre-flight-checks"
-}}
{{- include "vcluster.args" (dict "ours" $ours "extra" .Values.controlPlane.distro.k0s.extraArgs) -}}
{{- end -}}

{{/* Its ClusterConfig, with gaps `$(NAME)` for `syncer init`, as JSON. */}}
{{- define "vcluster.k0s.config" -}}
{{- $values := .Values -}}
{{- $domain := $values.networking.advanced.clusterDomain -}}
{{- $several := eq (include "vcluster.several" .) "true" -}}
{{/* k0s waits for its API server to stop, and by default that waits for watches: 18 s, or a minute with
     older releases. The pod has 10. */}}
{{- $api := dict
  "anonymous-auth" "true"
  "bind-address" "$(BIND_ADDRESS)"
  "client-ca-file" "/pki/client-ca.bundle"
  "endpoint-reconciler-type" "none"
  "kubelet-client-certificate" "/pki/apiserver-kubelet-client.crt"
  "kubelet-client-key" "/pki/apiserver-kubelet-client.key"
  "kubelet-preferred-address-types" "InternalIP"
  "service-account-extend-token-expiration" "false"
  "service-cluster-ip-range" "$(SERVICE_CIDR)"
  "service-node-port-range" "$(NODE_PORT_RANGE)"
  "shutdown-watch-termination-grace-period" "3s"
  "tls-cert-file" "/pki/apiserver.crt"
  "tls-private-key-file" "/pki/apiserver.key"
-}}
{{- $controllers := dict
  "cluster-signing-cert-file" "/pki/client-ca.crt"
  "cluster-signing-key-file" "/pki/client-ca.key"
  "controllers" (include "vcluster.controllers" . | trim)
  "horizontal-pod-autoscaler-sync-period" "60s"
  "leader-elect" (toString $several)
  "service-cluster-ip-range" "$(SERVICE_CIDR)"
-}}
{{- $network := dict
  "clusterDomain" $domain
  "kubeProxy" (dict "disabled" true)
  "podCIDR" "$(POD_CIDR)"
  "provider" "custom"
  "serviceCIDR" "$(FIRST_SERVICE_CIDR)"
-}}
{{- $spec := dict
  "api" (dict "address" "$(POD_IP)" "port" (int $values.controlPlane.proxy.port) "extraArgs" $api)
  "controllerManager" (dict "extraArgs" $controllers)
  "network" $network
  "storage" (include "vcluster.k0s.store" . | fromYaml)
  "telemetry" (dict "enabled" false)
-}}
{{- $ours := dict "apiVersion" "k0s.k0sproject.io/v1beta1" "kind" "ClusterConfig" "metadata" (dict "name" "k0s") "spec" $spec -}}
{{- mergeOverwrite $ours (fromYaml $values.controlPlane.distro.k0s.config) | toJson -}}
{{- end -}}

{{/* `spec.storage`. */}}
{{- define "vcluster.k0s.store" -}}
{{- $store := include "vcluster.store" . -}}
{{- if hasPrefix "database." $store }}
type: kine
kine:
  dataSource: {{ ternary (include "vcluster.kine.sqlite" "/data/k0s/db/state.db") "$(DATA_SOURCE)" (eq $store "database.embedded") | quote }}
{{- else }}
type: etcd
etcd:
  externalCluster:
    endpoints: {{- splitList "," (include "vcluster.store.endpoints" .) | toYaml | nindent 6 }}
    etcdPrefix: /registry
    {{- if eq $store "etcd.deploy" }}
    caFile: /pki/etcd-ca.crt
    clientCertFile: /pki/apiserver-etcd-client.crt
    clientKeyFile: /pki/apiserver-etcd-client.key
    {{- else }}
    {{- $tls := .Values.controlPlane.backingStore.etcd.external.tls }}
    {{- range include "vcluster.store.tls" (dict "of" $tls "secret" $tls.secret "client" true "ca" "caFile" "cert" "clientCertFile" "key" "clientKeyFile") | fromYamlArray }}
    {{- $parts := regexSplit "=" (trimPrefix "--" .) 2 }}
    {{ first $parts }}: {{ last $parts }}
    {{- end }}
    {{- end }}
{{- end }}
{{- end -}}

{{- define "vcluster.k0s" -}}
{{- $distro := .Values.controlPlane.distro.k0s -}}
{{/* What a killed k0s left in its folder would make the next one believe that it runs already: both are
     process 1. */}}
{{- $script := "rm -rf /data/k0s/run/* && exec k0s controller \"$@\"" -}}
- name: k0s
  image: {{ include "vcluster.distroImage" . | quote }}
  {{- with $distro.imagePullPolicy }}
  imagePullPolicy: {{ . }}
  {{- end }}
  {{- if $distro.command }}
  command: {{ toYaml $distro.command | nindent 4 }}
  args: {{ toYaml $distro.extraArgs | nindent 4 }}
  {{- else }}
  {{- if eq (include "vcluster.store" .) "etcd.deploy" }}
  command: [/binaries/syncer, wait, --for, {{ include "vcluster.store.peer" . | quote }}, --, sh, -c, {{ $script | squote }}, k0s]
  {{- else }}
  command: [sh, -c, {{ $script | squote }}, k0s]
  {{- end }}
  args: {{- include "vcluster.k0s.args" . | nindent 4 }}
  {{- end }}
  env: {{- include "vcluster.env" (dict "root" . "ours" (list (include "vcluster.env.go" .) "- { name: HOME, value: /tmp }") "extra" $distro.env) | nindent 4 }}
  {{- include "vcluster.oneProgram.tail" (dict "root" . "distro" "k0s" "certificates" "/data/k0s/pki" "run" "/data/k0s/run" "runVolume" "certs") | nindent 2 }}
{{- end -}}
