{{/* The paths under `value` that match `path` (`*` is any one name) and ask for something, as JSON. */}}
{{- define "vcluster.asked" -}}
{{- $found := list -}}
{{- if empty .path -}}
{{- if not (include "vcluster.isInert" .value) }}{{ $found = list .at }}{{ end -}}
{{- else if kindIs "map" .value -}}
{{- $first := first .path -}}
{{- $rest := rest .path -}}
{{- $at := .at -}}
{{- range $key, $value := .value -}}
{{- if or (eq $first "*") (eq $first $key) -}}
{{- $below := ternary $key (printf "%s.%s" $at $key) (empty $at) -}}
{{- $found = concat $found (include "vcluster.asked" (dict "value" $value "path" $rest "at" $below) | fromJsonArray) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $found -}}
{{- end -}}

{{/* "true" for a value that asks for nothing: empty, or turned off. */}}
{{- define "vcluster.isInert" -}}
{{- if kindIs "map" . -}}
{{- if hasKey . "enabled" -}}
{{- include "vcluster.isInert" .enabled -}}
{{- else -}}
{{- $inert := true -}}
{{- range $key, $value := . -}}
{{- if not (include "vcluster.isInert" $value) }}{{ $inert = false }}{{ end -}}
{{- end -}}
{{- if $inert }}true{{ end -}}
{{- end -}}
{{- else if has (toString .) (list "" "auto" "false" "0" "[]" "<nil>") -}}
true
{{- end -}}
{{- end -}}
