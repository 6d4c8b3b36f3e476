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
