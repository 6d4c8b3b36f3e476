{{/* Images. Defaults are in values.yaml; the two constants stand in where a copy of the Go chart's
     values names images that are not made for this chart. */}}

{{- define "vcluster.kubernetesRegistry" -}}registry.k8s.io{{- end -}}
{{- define "vcluster.syncerRepository" -}}ghcr.io/vcluster-rs/syncer{{- end -}}

{{/* REGISTRY/REPOSITORY:TAG; dict "root" $ "registry" R "repository" N "tag" T. The option
     `defaultImageRegistry` comes before every registry. */}}
{{- define "vcluster.image" -}}
{{- $registry := .root.Values.controlPlane.advanced.defaultImageRegistry | default .registry | trimSuffix "/" -}}
{{- if $registry -}}{{ $registry }}/{{- end -}}{{ .repository }}:{{ .tag }}
{{- end -}}

{{- define "vcluster.syncerImage" -}}
{{- $image := .Values.controlPlane.statefulSet.image -}}
{{- if hasPrefix "loft-sh/" $image.repository -}}
{{- $ours := regexSplit "/" (include "vcluster.syncerRepository" .) 2 -}}
{{- include "vcluster.image" (dict "root" . "registry" (first $ours) "repository" (last $ours) "tag" .Chart.AppVersion) -}}
{{- else -}}
{{- include "vcluster.image" (dict "root" . "registry" $image.registry "repository" $image.repository "tag" ($image.tag | default .Chart.AppVersion)) -}}
{{- end -}}
{{- end -}}

{{/* The image of a program of Kubernetes; dict "root" $ "program" VALUES. */}}
{{- define "vcluster.kubernetesImage" -}}
{{- $k8s := .root.Values.controlPlane.distro.k8s -}}
{{- $registry := $k8s.image.registry -}}
{{- if hasPrefix "loft-sh/" $k8s.image.repository -}}
{{- $registry = include "vcluster.kubernetesRegistry" . -}}
{{- end -}}
{{- $tag := $k8s.version | default .program.image.tag | default $k8s.image.tag -}}
{{- include "vcluster.image" (dict "root" .root "registry" (.program.image.registry | default $registry) "repository" .program.image.repository "tag" (printf "v%s" (trimPrefix "v" $tag))) -}}
{{- end -}}
