{{/* Volumes of the control plane. */}}

{{/* Whether there is a claim: when it is asked for, or when the store needs one and nothing else
     was given. */}}
{{- define "vcluster.hasClaim" -}}
{{- $persistence := .Values.controlPlane.statefulSet.persistence -}}
{{- if $persistence.volumeClaimTemplates }}true
{{- else if $persistence.dataVolume }}
{{- else if ne (toString $persistence.volumeClaim.enabled) "false" }}true
{{- end -}}
{{- end -}}

{{- define "vcluster.volumes" -}}
{{- $persistence := .Values.controlPlane.statefulSet.persistence -}}
{{- if $persistence.dataVolume -}}
{{ toYaml $persistence.dataVolume }}
{{ else if not (include "vcluster.hasClaim" .) -}}
- name: data
  emptyDir: {}
{{ end -}}
{{ toYaml $persistence.binariesVolume }}
- name: certs
  emptyDir: { medium: Memory, sizeLimit: 1Mi }
- name: kine
  emptyDir: { medium: Memory, sizeLimit: 1Mi }
- name: vcluster-config
  secret:
    secretName: {{ printf "vc-config-%s" .Release.Name }}
- name: token
  projected:
    sources:
      - serviceAccountToken: { path: token, expirationSeconds: 3607 }
      - configMap: { name: kube-root-ca.crt, items: [{ key: ca.crt, path: ca.crt }] }
      - downwardAPI: { items: [{ path: namespace, fieldRef: { fieldPath: metadata.namespace } }] }
{{- with $persistence.addVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "vcluster.claims" -}}
{{- $persistence := .Values.controlPlane.statefulSet.persistence -}}
{{- if $persistence.volumeClaimTemplates -}}
{{ toYaml $persistence.volumeClaimTemplates }}
{{- else -}}
- metadata:
    name: data
  spec:
    accessModes: {{- toYaml $persistence.volumeClaim.accessModes | nindent 6 }}
    {{- with $persistence.volumeClaim.storageClass }}
    storageClassName: {{ . }}
    {{- end }}
    resources:
      requests:
        storage: {{ $persistence.volumeClaim.size }}
{{- end }}
{{- end -}}
