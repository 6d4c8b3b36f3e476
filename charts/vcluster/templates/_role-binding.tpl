{{/* Gives the Role of the same name to the control plane: dict "root" $ "name" NAME. */}}
{{- define "vcluster.roleBinding" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  {{- include "vcluster.metadata" . | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ .name }}
subjects:
  - kind: ServiceAccount
    name: {{ include "vcluster.serviceAccount" .root }}
    namespace: {{ .root.Release.Namespace }}
{{- end -}}
