{{/* k3s: API server, controllers and kine in one program. It takes the authorities of `syncer init` from
     the folder where it looks for them, and certificates that clients see from us too. Everything that
     concerns nodes or comes as an add-on is off. Flags: https://docs.k3s.io/cli/server */}}

{{- define "vcluster.k3s.args" -}}
{{- $values := .Values -}}
{{- $several := eq (include "vcluster.several" .) "true" -}}
{{- $ours := list
  "--advertise-address=$(POD_IP)"
  "--bind-address=$(BIND_ADDRESS)"
  (printf "--cluster-domain=%s" $values.networking.advanced.clusterDomain)
  "--config=/pki/k3s.yaml"
  "--data-dir=/data/k3s"
  "--disable-agent"
  "--disable-cloud-controller"
  "--disable-helm-controller"
  "--disable-kube-proxy"
  "--disable-network-policy"
  "--disable=coredns,local-storage,metrics-server,servicelb,traefik"
  "--egress-selector-mode=disabled"
  "--flannel-backend=none"
  (printf "--https-listen-port=%d" (int $values.controlPlane.proxy.port))
  "--kube-apiserver-arg=anonymous-auth=true"
  "--kube-apiserver-arg=endpoint-reconciler-type=none"
  "--kube-apiserver-arg=kubelet-client-certificate=/pki/apiserver-kubelet-client.crt"
  "--kube-apiserver-arg=kubelet-client-key=/pki/apiserver-kubelet-client.key"
  "--kube-apiserver-arg=kubelet-preferred-address-types=InternalIP"
  "--kube-apiserver-arg=service-account-extend-token-expiration=false"
  "--kube-apiserver-arg=service-account-key-file=/pki/sa.pub"
  "--kube-apiserver-arg=service-account-signing-key-file=/pki/sa.key"
  (printf "--kube-controller-manager-arg=controllers=%s" (include "vcluster.controllers" . | trim))
  "--kube-controller-manager-arg=horizontal-pod-autoscaler-sync-period=60s"
  (printf "--kube-controller-manager-arg=leader-elect=%t" $several)
  "--kube-controller-manager-arg=service-account-private-key-file=/pki/sa.key"
  "--node-ip=$(POD_IP)"
  "--service-cidr=$(SERVICE_CIDR)"
  "--service-node-port-range=$(NODE_PORT_RANGE)"
  "--token-file=/pki/k3s.token"
  "--write-kubeconfig=/data/k3s/server/tls/admin.kubeconfig"
-}}
{{- if not (include "vcluster.scheduler" .) }}{{ $ours = append $ours "--disable-scheduler" }}{{ end -}}
{{- range include "vcluster.activator.audit" . | fromYamlArray -}}
{{- $ours = append $ours (printf "--kube-apiserver-arg=%s" (trimPrefix "--" .)) -}}
{{- end -}}
{{- $ours = concat $ours (include "vcluster.k3s.store" . | fromYamlArray) | sortAlpha -}}
{{- include "vcluster.args" (dict "ours" $ours "extra" $values.controlPlane.distro.k3s.extraArgs) -}}
{{- end -}}

{{/* Where it keeps its objects, as a YAML list. A database somewhere else is named in a variable. */}}
{{- define "vcluster.k3s.store" -}}
{{- $backing := .Values.controlPlane.backingStore -}}
{{- $store := include "vcluster.store" . -}}
{{- $names := dict "ca" "datastore-cafile" "cert" "datastore-certfile" "key" "datastore-keyfile" -}}
{{- if eq $store "database.embedded" }}
- {{ printf "--datastore-endpoint=%s" (include "vcluster.kine.sqlite" "/data/k3s/server/db/state.db") }}
{{- else if eq $store "database.external" }}
{{- $external := $backing.database.external -}}
{{- include "vcluster.store.tls" (merge (dict "of" $external "secret" $external.tlsSecret) $names) }}
{{- else }}
- {{ printf "--datastore-endpoint=%s" (include "vcluster.store.endpoints" .) }}
{{- if eq $store "etcd.deploy" }}
- --datastore-cafile=/pki/etcd-ca.crt
- --datastore-certfile=/pki/apiserver-etcd-client.crt
- --datastore-keyfile=/pki/apiserver-etcd-client.key
{{- else }}
{{- $tls := $backing.etcd.external.tls }}
{{- include "vcluster.store.tls" (merge (dict "of" $tls "secret" $tls.secret "client" true) $names) }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "vcluster.k3s" -}}
{{- $distro := .Values.controlPlane.distro.k3s -}}
{{- $env := list (include "vcluster.env.pod" .) (include "vcluster.env.host" .) (include "vcluster.env.go" .) "- { name: HOME, value: /tmp }" -}}
{{- if eq (include "vcluster.store" .) "database.external" -}}
{{- $env = append $env (include "vcluster.kine.dataSource" (dict "root" . "variable" "K3S_DATASTORE_ENDPOINT")) -}}
{{- end -}}
- name: k3s
  image: {{ include "vcluster.distroImage" . | quote }}
  {{- with $distro.imagePullPolicy }}
  imagePullPolicy: {{ . }}
  {{- end }}
  {{- if $distro.command }}
  command: {{ toYaml $distro.command | nindent 4 }}
  args: {{ toYaml $distro.extraArgs | nindent 4 }}
  {{- else }}
  {{- if eq (include "vcluster.store" .) "etcd.deploy" }}
  command: [/binaries/syncer, wait, --for, {{ include "vcluster.store.peer" . | quote }}, --, k3s]
  {{- else }}
  command: [k3s]
  {{- end }}
  args:
    - server
    {{- include "vcluster.k3s.args" . | nindent 4 }}
  {{- end }}
  env: {{- include "vcluster.env" (dict "root" . "ours" $env "extra" $distro.env) | nindent 4 }}
  {{- include "vcluster.oneProgram.tail" (dict "root" . "distro" "k3s" "certificates" "/data/k3s/server/tls" "run" "/run" "runVolume" "scratch") | nindent 2 }}
{{- end -}}
