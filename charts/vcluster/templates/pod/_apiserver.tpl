{{/* The API server of the virtual cluster. By itself it would wait a minute for its watches to end when it is stopped, and be
killed; so it ends them. */}}

{{- define "vcluster.apiserver.args" -}}
{{- $values := .Values -}}
{{- $ours := list
  "--advertise-address=$(POD_IP)"
  "--allow-privileged=true"
  "--authorization-mode=Node,RBAC"
  "--bind-address=$(BIND_ADDRESS)"
  "--client-ca-file=/pki/client-ca.crt"
  "--endpoint-reconciler-type=none"
  "--kubelet-certificate-authority=/pki/ca.crt"
  "--kubelet-client-certificate=/pki/apiserver-kubelet-client.crt"
  "--kubelet-client-key=/pki/apiserver-kubelet-client.key"
  "--kubelet-preferred-address-types=InternalIP"
  "--profiling=false"
  "--proxy-client-cert-file=/pki/front-proxy-client.crt"
  "--proxy-client-key-file=/pki/front-proxy-client.key"
  "--requestheader-allowed-names=front-proxy-client"
  "--requestheader-client-ca-file=/pki/front-proxy-ca.crt"
  "--requestheader-extra-headers-prefix=X-Remote-Extra-"
  "--requestheader-group-headers=X-Remote-Group"
  "--requestheader-username-headers=X-Remote-User"
  (printf "--secure-port=%d" (int $values.controlPlane.proxy.port))
  "--service-account-extend-token-expiration=false"
  (printf "--service-account-issuer=https://kubernetes.default.svc.%s" $values.networking.advanced.clusterDomain)
  "--service-account-key-file=/pki/sa.pub"
  "--service-account-signing-key-file=/pki/sa.key"
  "--service-cluster-ip-range=$(SERVICE_CIDR)"
  "--service-node-port-range=$(NODE_PORT_RANGE)"
  "--shutdown-watch-termination-grace-period=1s"
  "--tls-cert-file=/pki/apiserver.crt"
  "--tls-private-key-file=/pki/apiserver.key"
-}}
{{- $ours = concat $ours (include "vcluster.store.args" . | fromYamlArray) (include "vcluster.activator.audit" . | fromYamlArray) | sortAlpha -}}
{{- $distro := get $values.controlPlane.distro (include "vcluster.distro" .) -}}
{{- include "vcluster.args" (dict "ours" $ours "extra" $distro.apiServer.extraArgs) -}}
{{- end -}}

{{- define "vcluster.apiserver" -}}
{{- $distro := get .Values.controlPlane.distro (include "vcluster.distro" .) -}}
{{- $program := $distro.apiServer -}}
{{- $probes := .Values.controlPlane.statefulSet.probes -}}
{{- $port := .Values.controlPlane.proxy.port -}}
- name: kube-apiserver
  image: {{ include "vcluster.kubernetesImage" (dict "root" . "program" $program) | quote }}
  {{- with $program.imagePullPolicy | default $distro.imagePullPolicy }}
  imagePullPolicy: {{ . }}
  {{- end }}
  {{- if $program.command }}
  command: {{ toYaml $program.command | nindent 4 }}
  args: {{ toYaml $program.extraArgs | nindent 4 }}
  {{- else }}
  {{- with include "vcluster.store.peer" . }}
  command: [/binaries/syncer, wait, --for, {{ . | quote }}, --]
  args:
    - kube-apiserver
    {{- include "vcluster.apiserver.args" $ | nindent 4 }}
  {{- else }}
  command: [kube-apiserver]
  args: {{- include "vcluster.apiserver.args" . | nindent 4 }}
  {{- end }}
  {{- end }}
  env: {{- include "vcluster.env" (dict "root" . "ours" (list (include "vcluster.env.pod" .) (include "vcluster.env.host" .) (include "vcluster.env.kubernetes" .)) "extra" $distro.env) | nindent 4 }}
  ports:
    - { name: https, containerPort: {{ $port }} }
  {{- if $probes.startupProbe.enabled }}
  startupProbe: {{- include "vcluster.probe" (dict "probe" $probes.startupProbe "path" "/readyz" "port" $port "scheme" "HTTPS") | nindent 4 }}
  {{- end }}
  {{- if $probes.livenessProbe.enabled }}
  livenessProbe: {{- include "vcluster.probe" (dict "probe" $probes.livenessProbe "path" "/livez" "port" $port "scheme" "HTTPS") | nindent 4 }}
  {{- end }}
  {{- if $probes.readinessProbe.enabled }}
  readinessProbe: {{- include "vcluster.probe" (dict "probe" $probes.readinessProbe "path" "/readyz" "port" $port "scheme" "HTTPS") | nindent 4 }}
  {{- end }}
  resources: {{- toYaml .Values.controlPlane.statefulSet.resources | nindent 4 }}
  # The published program carries this capability in its file and cannot be started without it.
  securityContext: {{- include "vcluster.containerSecurityContext" (dict "root" . "capabilities" (list "NET_BIND_SERVICE") "more" $distro.securityContext) | nindent 4 }}
  volumeMounts:
    - { name: certs, mountPath: /pki, readOnly: true }
    {{- include "vcluster.store.mounts" . | trim | nindent 4 }}
    {{- with include "vcluster.mounts.extra" . }}
    {{- . | nindent 4 }}
    {{- end }}
{{- end -}}
