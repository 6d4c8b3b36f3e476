{{/* Arguments: dict "ours" LIST "extra" LIST. One of the user's replaces ours of the same name. */}}
{{- define "vcluster.args" -}}
{{- $named := list -}}
{{- range .extra }}{{ $named = append $named (first (splitList "=" .)) }}{{ end -}}
{{- $all := list -}}
{{- range .ours }}
{{- if not (has (first (splitList "=" .)) $named) }}{{ $all = append $all . }}{{ end -}}
{{- end -}}
{{- concat $all (.extra | default list) | toYaml -}}
{{- end -}}

{{/* A probe: dict "probe" VALUES "path" PATH "port" PORT "scheme" SCHEME. */}}
{{- define "vcluster.probe" -}}
httpGet:
  path: {{ .path }}
  port: {{ .port }}
  scheme: {{ .scheme }}
failureThreshold: {{ .probe.failureThreshold }}
{{- with .probe.initialDelaySeconds }}
initialDelaySeconds: {{ . }}
{{- end }}
timeoutSeconds: {{ .probe.timeoutSeconds }}
periodSeconds: {{ .probe.periodSeconds }}
{{- end -}}
