{{/* What an argument is called; `--PROGRAM-arg=NAME=VALUE` sets NAME of a program in a program. */}}
{{- define "vcluster.args.name" -}}
{{- $parts := splitList "=" . -}}
{{- ternary (slice $parts 0 (min 2 (len $parts) | int) | join "=") (first $parts) (hasSuffix "-arg" (first $parts)) -}}
{{- end -}}

{{/* Arguments: dict "ours" LIST "extra" LIST. One of the user's replaces ours of the same name. */}}
{{- define "vcluster.args" -}}
{{- $named := list -}}
{{- range .extra }}{{ $named = append $named (include "vcluster.args.name" .) }}{{ end -}}
{{- $all := list -}}
{{- range .ours }}
{{- if not (has (include "vcluster.args.name" .) $named) }}{{ $all = append $all . }}{{ end -}}
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
