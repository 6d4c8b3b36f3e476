{{/* What holds the door of a virtual cluster that falls asleep by itself. */}}

{{/* "true" when it does. */}}
{{- define "vcluster.sleeps" -}}
{{- if or .Values.sleep.auto.afterInactivity .Values.sleep.auto.schedule }}true{{ end -}}
{{- end -}}

{{- define "vcluster.activator" -}}
{{- printf "vc-activator-%s" .Release.Name -}}
{{- end -}}

{{- define "vcluster.activator.selector" -}}
app: vcluster-activator
release: {{ .Release.Name | quote }}
{{- end -}}

{{/* The container that serves the API. */}}
{{- define "vcluster.activator.server" -}}
{{- $distro := include "vcluster.distro" . -}}
{{- has $distro (list "k3s" "k0s") | ternary $distro "kube-apiserver" -}}
{{- end -}}

{{/* The one argument of the program (syncer/src/activator/mod.rs). */}}
{{- define "vcluster.activator.document" -}}
name: {{ .Release.Name | quote }}
namespace: {{ .Release.Namespace | quote }}
port: {{ .Values.controlPlane.proxy.port }}
server: {{ include "vcluster.activator.server" . }}
options: {{ .Values.sleep.auto | toJson }}
selector: {{ .Values.controlPlane.service.spec.selector | default (include "vcluster.selector" . | fromYaml) | toJson }}
workloads:
  {{- if eq (include "vcluster.store" .) "etcd.deploy" }}
  - {{ printf "%s-etcd" .Release.Name | quote }}
  {{- end }}
  - {{ .Release.Name | quote }}
{{- end -}}

{{/* How the API server tells of requests: at once, and without waiting for anybody. The files are the init
     container's. */}}
{{- define "vcluster.activator.audit" -}}
{{- if .Values.sleep.auto.afterInactivity }}
- --audit-policy-file=/pki/audit-policy.json
- --audit-webhook-batch-max-wait=1s
- --audit-webhook-config-file=/pki/audit-webhook.json
- --audit-webhook-mode=batch
{{- end }}
{{- end -}}
