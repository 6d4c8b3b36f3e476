{{/* Security contexts: safe unless the user says otherwise. */}}

{{- define "vcluster.podSecurityContext" -}}
{{- $ours := dict "runAsNonRoot" true "seccompProfile" (dict "type" "RuntimeDefault") "fsGroupChangePolicy" "OnRootMismatch" -}}
{{/* OpenShift gives every namespace a range of users and takes no other. */}}
{{- if not (.Capabilities.APIVersions.Has "security.openshift.io/v1") -}}
{{- $ours = merge $ours (dict "runAsUser" 12345 "runAsGroup" 12345 "fsGroup" 12345) -}}
{{- end -}}
{{- include "vcluster.asRoot" (mergeOverwrite $ours (deepCopy .Values.controlPlane.statefulSet.security.podSecurityContext)) -}}
{{- end -}}

{{/* dict "root" $ "capabilities" LIST "more" MAP: the capabilities that the program's file carries,
     without which the kernel would not start it, and a context of the program's own. */}}
{{- define "vcluster.containerSecurityContext" -}}
{{- $capabilities := dict "drop" (list "ALL") -}}
{{- with .capabilities }}{{ $capabilities = merge $capabilities (dict "add" .) }}{{ end -}}
{{- $ours := dict "allowPrivilegeEscalation" false "readOnlyRootFilesystem" true "runAsNonRoot" true "capabilities" $capabilities -}}
{{- $ours = mergeOverwrite $ours (deepCopy .root.Values.controlPlane.statefulSet.security.containerSecurityContext) (deepCopy (.more | default dict)) -}}
{{- include "vcluster.asRoot" $ours -}}
{{- end -}}

{{/* Whoever asks for user 0 does not want it refused. */}}
{{- define "vcluster.asRoot" -}}
{{- if hasKey . "runAsUser" -}}
{{- if eq (int .runAsUser) 0 }}{{ $_ := set . "runAsNonRoot" false }}{{ end -}}
{{- end -}}
{{- toYaml . -}}
{{- end -}}
