{{/* The controllers of Kubernetes, less those that only concern clusters with nodes of their own.
     They run under `syncer wait`, since they would exit when the API server is not there yet. */}}

{{- define "vcluster.controllers" -}}
{{- $off := list "nodeipam" "nodelifecycle" "persistentvolume-binder" "attachdetach" "persistentvolume-expander" "cloud-node-lifecycle" "ttl" -}}
*{{ range $off }},-{{ . }}{{ end }}
{{- end -}}

{{- define "vcluster.wait" -}}
[/binaries/syncer, wait, --for, "https://127.0.0.1:{{ .Values.controlPlane.proxy.port }}/readyz", --]
{{- end -}}

{{- define "vcluster.controllerManager" -}}
{{- $distro := get .Values.controlPlane.distro (include "vcluster.distro" .) -}}
{{- $program := $distro.controllerManager -}}
{{- $several := eq (include "vcluster.several" .) "true" -}}
{{- $ours := list
  "--authentication-kubeconfig=/pki/controller-manager.conf"
  "--authentication-skip-lookup=true"
  "--authorization-kubeconfig=/pki/controller-manager.conf"
  "--bind-address=$(BIND_ADDRESS)"
  "--client-ca-file=/pki/client-ca.crt"
  "--cluster-signing-cert-file=/pki/client-ca.crt"
  "--cluster-signing-key-file=/pki/client-ca.key"
  (printf "--controllers=%s" (include "vcluster.controllers" . | trim))
  "--horizontal-pod-autoscaler-sync-period=60s"
  "--kube-api-burst=200"
  "--kube-api-qps=100"
  "--kubeconfig=/pki/controller-manager.conf"
  (printf "--leader-elect=%t" $several)
  "--profiling=false"
  "--root-ca-file=/pki/ca.crt"
  "--service-account-private-key-file=/pki/sa.key"
  "--service-cluster-ip-range=$(SERVICE_CIDR)"
  "--tls-cert-file=/pki/apiserver.crt"
  "--tls-private-key-file=/pki/apiserver.key"
  "--use-service-account-credentials=true"
-}}
- name: kube-controller-manager
  image: {{ include "vcluster.kubernetesImage" (dict "root" . "program" $program) | quote }}
  {{- with $program.imagePullPolicy | default $distro.imagePullPolicy }}
  imagePullPolicy: {{ . }}
  {{- end }}
  {{- if $program.command }}
  command: {{ toYaml $program.command | nindent 4 }}
  args: {{ toYaml $program.extraArgs | nindent 4 }}
  {{- else }}
  command: {{ include "vcluster.wait" . }}
  args:
    - kube-controller-manager
    {{- include "vcluster.args" (dict "ours" $ours "extra" $program.extraArgs) | nindent 4 }}
  {{- end }}
  env: {{- include "vcluster.env" (dict "root" . "ours" (list (include "vcluster.env.host" .) (include "vcluster.env.kubernetes" .)) "extra" $distro.env) | nindent 4 }}
  livenessProbe:
    httpGet: { path: /healthz, port: 10257, scheme: HTTPS }
    initialDelaySeconds: 60
    periodSeconds: 20
    timeoutSeconds: 5
    failureThreshold: 6
  resources: {{- toYaml $program.resources | nindent 4 }}
  securityContext: {{- include "vcluster.containerSecurityContext" (dict "root" . "more" $distro.securityContext) | nindent 4 }}
  volumeMounts:
    - { name: certs, mountPath: /pki, readOnly: true }
    - { name: binaries, mountPath: /binaries, readOnly: true }
    {{- with include "vcluster.mounts.extra" . }}
    {{- . | nindent 4 }}
    {{- end }}
{{- end -}}
