{{/* Volumes of the control plane. */}}

{{/* Whether there is a claim: when it is asked for, or when the store needs one and nothing else
     was given. */}}
{{- define "vcluster.hasClaim" -}}
{{- $persistence := .Values.controlPlane.statefulSet.persistence -}}
{{- if $persistence.volumeClaimTemplates }}true
{{- else if $persistence.dataVolume }}
{{- else if eq (toString $persistence.volumeClaim.enabled) "auto" -}}
{{- if eq (include "vcluster.store" .) "database.embedded" }}true{{ end -}}
{{- else if eq (toString $persistence.volumeClaim.enabled) "true" }}true
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
  emptyDir: { medium: Memory, sizeLimit: {{ ternary "4Mi" "1Mi" (eq (include "vcluster.isOneProgram" .) "true") }} }
{{- if include "vcluster.isOneProgram" . }}
- name: scratch
  emptyDir: {}
{{- else if include "vcluster.store.isKine" . }}
- name: kine
  emptyDir: { medium: Memory, sizeLimit: 1Mi }
{{- end }}
{{- if include "vcluster.isReplicated" . }}
{{ include "vcluster.litestream.volumes" . }}
{{- end }}
{{- with include "vcluster.store.tlsSecret" . }}
- name: store-tls
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
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

{{/* Claim templates; the `persistence` of a StatefulSet. */}}
{{- define "vcluster.claims" -}}
{{- if .volumeClaimTemplates -}}
{{ toYaml .volumeClaimTemplates }}
{{- else -}}
- metadata:
    name: data
  spec:
    accessModes: {{- toYaml .volumeClaim.accessModes | nindent 6 }}
    {{- with .volumeClaim.storageClass }}
    storageClassName: {{ . }}
    {{- end }}
    resources:
      requests:
        storage: {{ .volumeClaim.size }}
{{- end }}
{{- end -}}
