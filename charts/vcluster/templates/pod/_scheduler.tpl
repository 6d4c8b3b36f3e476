{{/* The scheduler inside. It runs under `syncer wait`, since it would exit when the API server is not there yet. */}}

{{- define "vcluster.schedulerContainer" -}}
{{- $distro := get .Values.controlPlane.distro (include "vcluster.distro" .) -}}
{{- $program := $distro.scheduler -}}
{{- $several := eq (include "vcluster.several" .) "true" -}}
{{- $ours := list
  "--authentication-kubeconfig=/pki/scheduler.conf"
  "--authentication-skip-lookup=true"
  "--authorization-kubeconfig=/pki/scheduler.conf"
  "--bind-address=$(BIND_ADDRESS)"
  "--client-ca-file=/pki/client-ca.crt"
  "--kubeconfig=/pki/scheduler.conf"
  (printf "--leader-elect=%t" $several)
  "--profiling=false"
  "--tls-cert-file=/pki/apiserver.crt"
  "--tls-private-key-file=/pki/apiserver.key"
-}}
- name: kube-scheduler
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
    - kube-scheduler
    {{- include "vcluster.args" (dict "ours" $ours "extra" $program.extraArgs) | nindent 4 }}
  {{- end }}
  env: {{- include "vcluster.env" (dict "root" . "ours" (list (include "vcluster.env.host" .) (include "vcluster.env.kubernetes" .)) "extra" $distro.env) | nindent 4 }}
  livenessProbe:
    httpGet: { path: /healthz, port: 10259, scheme: HTTPS }
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
