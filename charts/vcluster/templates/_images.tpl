{{/* Images. Defaults are in values.yaml; the constants stand in where a copy of the Go chart's values
     names images that are not made for this chart, and for what another distribution brings. */}}

{{- define "vcluster.kubernetesRegistry" -}}registry.k8s.io{{- end -}}
{{- define "vcluster.syncerRepository" -}}ghcr.io/vcluster-rs/syncer{{- end -}}

{{- define "vcluster.eksEtcd" -}}public.ecr.aws/eks-distro/etcd-io/etcd:v3.5.21-eks-1-34-17{{- end -}}

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

{{/* The key of the distribution that runs, under `controlPlane.distro`. */}}
{{- define "vcluster.distro" -}}
{{- $found := "k8s" -}}
{{- range $name := list "eks" "k3s" "k0s" }}
{{- if dig $name "enabled" false $.Values.controlPlane.distro }}{{ $found = $name }}{{ end -}}
{{- end -}}
{{- $found -}}
{{- end -}}

{{/* "true" for distributions that start API server, controllers and what they need of the store in one
     container. */}}
{{- define "vcluster.isOneProgram" -}}
{{- if has (include "vcluster.distro" .) (list "k3s" "k0s") }}true{{ end -}}
{{- end -}}

{{/* The image of such a distribution: its own tag, or the release for the minor that is asked for. */}}
{{- define "vcluster.distroImage" -}}
{{- $distro := include "vcluster.distro" . -}}
{{- $image := (get .Values.controlPlane.distro $distro).image -}}
{{- $asked := .Values.controlPlane.distro.k8s.version | default .Values.controlPlane.distro.k8s.image.tag -}}
{{- $minor := regexFind "^1[.][0-9]+" (trimPrefix "v" $asked) -}}
{{- $tag := $image.tag | default (get (.Files.Get (printf "files/%s.json" $distro) | fromJson) $minor) -}}
{{- if not $tag }}{{ fail (printf "\n\ncontrolPlane.distro.k8s.version: there is no release of %s for %s (set controlPlane.distro.%s.image.tag)\n" $distro $asked $distro) }}{{ end -}}
{{- include "vcluster.image" (dict "root" . "registry" $image.registry "repository" $image.repository "tag" (printf "v%s" (trimPrefix "v" $tag))) -}}
{{- end -}}

{{/* The version of Kubernetes that is asked for, as the distribution tags its images; may be empty.
     dict "root" $ "program" VALUES. EKS Distro's tags name a release of its own, which is looked up. */}}
{{- define "vcluster.kubernetesVersion" -}}
{{- $distros := .root.Values.controlPlane.distro -}}
{{- if eq (include "vcluster.distro" .root) "eks" -}}
{{- $minor := regexFind "^1[.][0-9]+" (trimPrefix "v" $distros.k8s.version) -}}
{{- $release := get (.root.Files.Get "files/eks.json" | fromJson) $minor -}}
{{- $distros.eks.version | default .program.image.tag | default $release -}}
{{- else -}}
{{- $distros.k8s.version | default .program.image.tag -}}
{{- end -}}
{{- end -}}

{{/* The image of a program of Kubernetes; dict "root" $ "program" VALUES. */}}
{{- define "vcluster.kubernetesImage" -}}
{{- $distro := get .root.Values.controlPlane.distro (include "vcluster.distro" .root) -}}
{{- $registry := $distro.image.registry -}}
{{- $folder := $distro.image.repository -}}
{{- if hasPrefix "loft-sh/" $folder -}}
{{- $registry = include "vcluster.kubernetesRegistry" . -}}
{{- $folder = "" -}}
{{- end -}}
{{- $repository := .program.image.repository -}}
{{- if and $folder (not (contains "/" $repository)) -}}
{{- $repository = printf "%s/%s" $folder $repository -}}
{{- end -}}
{{- $tag := include "vcluster.kubernetesVersion" . | default $distro.image.tag -}}
{{- include "vcluster.image" (dict "root" .root "registry" (.program.image.registry | default $registry) "repository" $repository "tag" (printf "v%s" (trimPrefix "v" $tag))) -}}
{{- end -}}

{{/* The image of etcd: the distribution's own, unless another repository is named. */}}
{{- define "vcluster.etcdImage" -}}
{{- $image := .Values.controlPlane.backingStore.etcd.deploy.statefulSet.image -}}
{{- if and (eq (include "vcluster.distro" .) "eks") (eq $image.repository "etcd") -}}
{{- $eks := regexSplit "[/:]" (include "vcluster.eksEtcd" .) -1 -}}
{{- $image = dict "registry" (first $eks) "repository" (join "/" (initial (rest $eks))) "tag" (last $eks) -}}
{{- end -}}
{{- include "vcluster.image" (merge (dict "root" .) $image) -}}
{{- end -}}
