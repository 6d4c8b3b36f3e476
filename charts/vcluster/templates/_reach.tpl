{{/* Who is who for network policies, and how clients reach the API server. */}}

{{/* What the tenants' pods are found by on the host. */}}
{{- define "vcluster.workloads" -}}
vcluster.loft.sh/managed-by: {{ .Release.Name | quote }}
{{- end -}}

{{/* A selector of all pods of the chart: the control plane, etcd where the chart runs it, and what holds the
     door while it sleeps. */}}
{{- define "vcluster.ownPods" -}}
matchLabels:
  release: {{ .Release.Name | quote }}
matchExpressions:
  - { key: app, operator: In, values: [vcluster, vcluster-etcd{{ if include "vcluster.sleeps" . }}, vcluster-activator{{ end }}] }
{{- end -}}

{{- define "vcluster.dnsPorts" -}}
- { protocol: UDP, port: 53 }
- { protocol: TCP, port: 53 }
{{- end -}}

{{/* "true" when clients reach the API server from outside of the host cluster, or through a gateway. */}}
{{- define "vcluster.isExposed" -}}
{{- $plane := .Values.controlPlane -}}
{{- if or $plane.ingress.enabled $plane.tlsRoute.enabled $plane.service.spec.externalIPs (has ($plane.service.spec.type | default "ClusterIP") (list "NodePort" "LoadBalancer")) -}}
true
{{- end -}}
{{- end -}}
