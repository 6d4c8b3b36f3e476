{{/* What of a virtual cluster cannot be changed once it runs. Works on values that may be another
     version's, or the Go chart's. */}}

{{/* The first of some names that is enabled; dict "in" MAP "names" LIST "or" DEFAULT. */}}
{{- define "vcluster.enabledOf" -}}
{{- $found := "" -}}
{{- $in := .in -}}
{{- range .names }}
{{- $below := $in -}}
{{- range splitList "." . }}{{ $below = get ($below | default dict) . | default dict }}{{ end -}}
{{- if and (not $found) (eq (toString (get $below "enabled")) "true") }}{{ $found = . }}{{ end -}}
{{- end -}}
{{- $found | default .or -}}
{{- end -}}

{{- define "vcluster.shape" -}}
{{- $plane := .controlPlane | default dict -}}
{{- $stores := $plane.backingStore | default dict -}}
{{- $store := include "vcluster.enabledOf" (dict "in" $stores "names" (list "etcd.deploy" "etcd.external" "etcd.embedded" "database.external" "database.embedded") "or" "database.embedded") -}}
distribution: {{ include "vcluster.enabledOf" (dict "in" ($plane.distro | default dict) "names" (list "k3s" "k0s" "eks" "k8s") "or" "k8s") }}
store: {{ $store }}
{{- if eq $store "etcd.deploy" }}
members of etcd: {{ dig "statefulSet" "highAvailability" "replicas" 1 $stores.etcd.deploy }}
{{- end }}
{{- end -}}
