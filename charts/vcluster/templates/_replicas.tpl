{{/* "true" when the virtual cluster has several control planes. */}}
{{- define "vcluster.several" -}}
{{- if gt (int .Values.controlPlane.statefulSet.highAvailability.replicas) 1 }}true{{ end -}}
{{- end -}}
