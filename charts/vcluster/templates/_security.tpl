{{/* Security contexts: safe unless the user says otherwise. */}}

{{/* dict "root" $ "security" VALUES-OF-A-STATEFULSET */}}
{{- define "vcluster.podSecurityContext" -}}
{{- $ours := dict "runAsNonRoot" true "seccompProfile" (dict "type" "RuntimeDefault") "fsGroupChangePolicy" "OnRootMismatch" -}}
{{/* OpenShift gives every namespace a range of users and takes no other. */}}
{{- if not (.root.Capabilities.APIVersions.Has "security.openshift.io/v1") -}}
{{- $ours = merge $ours (dict "runAsUser" 12345 "runAsGroup" 12345 "fsGroup" 12345) -}}
{{- end -}}
{{- include "vcluster.asRoot" (mergeOverwrite $ours (deepCopy .security.podSecurityContext)) -}}
{{- end -}}

{{/* dict "root" $ "capabilities" LIST "security" VALUES "more" MAP: the capabilities that the program's
     file carries, without which the kernel would not start it; the values of a StatefulSet that is not
     the control plane's; and a context of the program's own. */}}
{{- define "vcluster.containerSecurityContext" -}}
{{- $capabilities := dict "drop" (list "ALL") -}}
{{- with .capabilities }}{{ $capabilities = merge $capabilities (dict "add" .) }}{{ end -}}
{{- $ours := dict "allowPrivilegeEscalation" false "readOnlyRootFilesystem" true "runAsNonRoot" true "capabilities" $capabilities -}}
{{- $security := .security | default .root.Values.controlPlane.statefulSet.security -}}
{{- $ours = mergeOverwrite $ours (deepCopy $security.containerSecurityContext) (deepCopy (.more | default dict)) -}}
{{- include "vcluster.asRoot" $ours -}}
{{- end -}}

{{/* Whoever asks for user 0 does not want it refused. */}}
{{- define "vcluster.asRoot" -}}
{{- if hasKey . "runAsUser" -}}
{{- if eq (int .runAsUser) 0 }}{{ $_ := set . "runAsNonRoot" false }}{{ end -}}
{{- end -}}
{{- toYaml . -}}
{{- end -}}
