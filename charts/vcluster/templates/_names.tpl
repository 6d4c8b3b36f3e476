{{/* Names, labels and annotations. NAME is the release. */}}

{{- define "vcluster.serviceAccount" -}}
{{- .Values.controlPlane.advanced.serviceAccount.name | default (printf "vc-%s" .Release.Name) -}}
{{- end -}}

{{- define "vcluster.workloadServiceAccount" -}}
{{- .Values.controlPlane.advanced.workloadServiceAccount.name | default (printf "vc-workload-%s" .Release.Name) -}}
{{- end -}}

{{/* What the pods of the control plane are found by. Tools depend on both labels; a tenant's pod
     cannot carry `release` on the host, since the syncer hashes that key. */}}
{{- define "vcluster.selector" -}}
app: vcluster
release: {{ .Release.Name | quote }}
{{- end -}}

{{/* What the members of etcd are found by. */}}
{{- define "vcluster.etcd.selector" -}}
app: vcluster-etcd
release: {{ .Release.Name | quote }}
{{- end -}}

{{/* What the pod of `helm test` is found by. */}}
{{- define "vcluster.test.selector" -}}
app: vcluster-test
release: {{ .Release.Name | quote }}
{{- end -}}

{{/* Metadata of an object: dict "root" $ "name" NAME "labels" MAP "annotations" MAP, and "part" `etcd`,
     `activator` or `test` for what belongs to these; "everywhere" true for one that lives in no namespace. */}}
{{- define "vcluster.metadata" -}}
name: {{ .name }}
{{- if not .everywhere }}
namespace: {{ .root.Release.Namespace }}
{{- end }}
labels:
  {{- include (ternary (printf "vcluster.%s.selector" .part) "vcluster.selector" (not (empty .part))) .root | nindent 2 }}
  chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | quote }}
  heritage: {{ .root.Release.Service | quote }}
  app.kubernetes.io/name: vcluster
  app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
  app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
  app.kubernetes.io/managed-by: {{ .root.Release.Service | quote }}
  helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | quote }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (.annotations | default dict) .root.Values.controlPlane.advanced.globalMetadata.annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
