{{/* "true" when the control plane brings a scheduler. */}}
{{- define "vcluster.scheduler" -}}
{{- $programs := get .Values.controlPlane.distro (include "vcluster.distro" .) -}}
{{- if or .Values.controlPlane.advanced.virtualScheduler.enabled (dig "scheduler" "enabled" false $programs) }}true{{ end -}}
{{- end -}}

{{/* "true" when any pod is placed by a scheduler inside, be it one that tenants bring. */}}
{{- define "vcluster.schedulesInside" -}}
{{- if or (include "vcluster.scheduler" .) .Values.sync.toHost.pods.hybridScheduling.enabled }}true{{ end -}}
{{- end -}}

{{/* What the syncer reads in the whole host cluster (syncer/src/rights.rs), as a YAML list of rules. */}}
{{- define "vcluster.clusterRules" -}}
{{- $inside := include "vcluster.schedulesInside" . -}}
{{- $claims := .Values.sync.toHost.persistentVolumeClaims.enabled -}}
{{- $core := list -}}
{{- if or $inside .Values.sync.fromHost.nodes.enabled }}{{ $core = append $core "nodes" }}{{ end -}}
{{- if and $inside $claims }}{{ $core = append $core "persistentvolumes" }}{{ end -}}
{{- $storage := list -}}
{{- range $kind := list "csiDrivers" "csiNodes" "csiStorageCapacities" "storageClasses" -}}
{{- $asked := toString (get $.Values.sync.fromHost $kind).enabled -}}
{{- if or (eq $asked "true") (and (eq $asked "auto") $inside $claims) }}{{ $storage = append $storage (lower $kind) }}{{ end -}}
{{- end -}}
{{- $verbs := list "get" "list" "watch" -}}
{{- $rules := list -}}
{{- if $core }}{{ $rules = append $rules (dict "apiGroups" (list "") "resources" $core "verbs" $verbs) }}{{ end -}}
{{- if $storage }}{{ $rules = append $rules (dict "apiGroups" (list "storage.k8s.io") "resources" $storage "verbs" $verbs) }}{{ end -}}
{{- $role := .Values.rbac.clusterRole -}}
{{- $role.overwriteRules | default (concat $rules $role.extraRules) | toYaml -}}
{{- end -}}
