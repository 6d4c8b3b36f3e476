{{/* Spreads pods over nodes as far as there are any: the YAML of their labels. */}}
{{- define "vcluster.spread" -}}
- maxSkew: 1
  topologyKey: kubernetes.io/hostname
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels: {{- . | nindent 6 }}
{{- end -}}
