{{/* What the pod tells its programs. */}}

{{- define "vcluster.env.pod" -}}
- name: POD_IP
  valueFrom: { fieldRef: { fieldPath: status.podIP } }
{{- end -}}

{{/* What `syncer init` found out about the host: the kubelet starts no container that uses these
     before the ConfigMap is there. */}}
{{- define "vcluster.env.host" -}}
- name: SERVICE_CIDR
  valueFrom: { configMapKeyRef: { name: {{ printf "vc-cidr-%s" .Release.Name }}, key: cidr } }
- name: NODE_PORT_RANGE
  valueFrom: { configMapKeyRef: { name: {{ printf "vc-cidr-%s" .Release.Name }}, key: nodePortRange } }
- name: BIND_ADDRESS
  valueFrom: { configMapKeyRef: { name: {{ printf "vc-cidr-%s" .Release.Name }}, key: bindAddress } }
{{- end -}}

{{- define "vcluster.env.syncer" -}}
- name: VCLUSTER_NAME
  value: {{ .Release.Name | quote }}
- name: POD_NAME
  valueFrom: { fieldRef: { fieldPath: metadata.name } }
- name: POD_UID
  valueFrom: { fieldRef: { fieldPath: metadata.uid } }
- name: POD_NAMESPACE
  valueFrom: { fieldRef: { fieldPath: metadata.namespace } }
- name: POD_IP
  valueFrom: { fieldRef: { fieldPath: status.podIP } }
- name: POD_IPS
  valueFrom: { fieldRef: { fieldPath: status.podIPs } }
- name: HOST_IPS
  valueFrom: { fieldRef: { fieldPath: status.hostIP } }
- name: NODE_NAME
  valueFrom: { fieldRef: { fieldPath: spec.nodeName } }
- name: SYNCER_IMAGE
  value: {{ include "vcluster.syncerImage" . | quote }}
- name: SYNCER_LOG_FORMAT
  value: {{ .Values.logging.encoding | quote }}
{{- end -}}

{{/* Go programs keep a heap of 1.4 times what they use, and not twice as much. There is no GOMEMLIMIT:
     one that is tight for an idle cluster makes the collector run all the time in a full one. */}}
{{- define "vcluster.env.go" -}}
- { name: GOGC, value: "40" }
{{- end -}}

{{/* The same for Kubernetes' programs, most of whose memory is what they are made of, and stays as it is. */}}
{{- define "vcluster.env.kubernetes" -}}
- { name: GOGC, value: "25" }
{{- end -}}

{{/* The variables of a program: ours and the user's, of which the last of a name counts (Helm cannot
     upgrade a list that has a name twice). dict "root" $ "ours" LIST-OF-YAML "extra" LIST; the
     control plane's own programs are those with a root. */}}
{{- define "vcluster.env" -}}
{{- $all := list -}}
{{- range .ours }}{{ $all = concat $all (fromYamlArray .) }}{{ end -}}
{{- if .root }}{{ $all = concat $all .root.Values.controlPlane.statefulSet.env }}{{ end -}}
{{- $all = concat $all (.extra | default list) -}}
{{- $last := dict -}}
{{- range $all }}{{ $_ := set $last .name . }}{{ end -}}
{{- $seen := dict -}}
{{- $kept := list -}}
{{- range $all -}}
{{- if not (hasKey $seen .name) }}{{ $kept = append $kept (get $last .name) }}{{ end -}}
{{- $_ := set $seen .name true -}}
{{- end -}}
{{- toYaml $kept -}}
{{- end -}}

{{- define "vcluster.mounts.extra" -}}
{{- with .Values.controlPlane.statefulSet.persistence.addVolumeMounts }}{{ toYaml . }}{{ end -}}
{{- end -}}
