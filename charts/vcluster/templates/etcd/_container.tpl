{{/* A member of etcd. Everybody shows a certificate of etcd's own authority; health and metrics, which
     hold no data, have a port without. */}}

{{- define "vcluster.etcd.hasClaim" -}}
{{- $persistence := .Values.controlPlane.backingStore.etcd.deploy.statefulSet.persistence -}}
{{- if or $persistence.volumeClaim.enabled $persistence.volumeClaimTemplates }}true{{ end -}}
{{- end -}}

{{- define "vcluster.etcd.args" -}}
{{- $set := .Values.controlPlane.backingStore.etcd.deploy.statefulSet -}}
{{- $name := printf "%s-etcd" .Release.Name -}}
{{- $members := list -}}
{{- range until (int $set.highAvailability.replicas) }}
{{- $members = append $members (printf "%s-%d=https://%s-%d.%s-headless:2380" $name . $name . $name) }}
{{- end -}}
{{- $ours := list
  (printf "--advertise-client-urls=https://$(POD_NAME).%s-headless:2379" $name)
  "--cert-file=/pki/etcd-server.crt"
  "--client-cert-auth=true"
  "--data-dir=/data/etcd"
  "--enable-grpc-gateway=false"
  (printf "--initial-advertise-peer-urls=https://$(POD_NAME).%s-headless:2380" $name)
  (printf "--initial-cluster=%s" (join "," $members))
  "--initial-cluster-state=new"
  (printf "--initial-cluster-token=%s" $name)
  "--key-file=/pki/etcd-server.key"
  "--listen-client-urls=https://0.0.0.0:2379"
  "--listen-metrics-urls=http://0.0.0.0:2381"
  "--listen-peer-urls=https://0.0.0.0:2380"
  "--name=$(POD_NAME)"
  "--peer-cert-file=/pki/etcd-peer.crt"
  "--peer-client-cert-auth=true"
  "--peer-client-cert-file=/pki/etcd-peer-client.crt"
  "--peer-client-key-file=/pki/etcd-peer-client.key"
  "--peer-key-file=/pki/etcd-peer.key"
  "--peer-trusted-ca-file=/pki/etcd-ca.crt"
  "--trusted-ca-file=/pki/etcd-ca.crt"
-}}
{{- include "vcluster.args" (dict "ours" $ours "extra" $set.extraArgs) -}}
{{- end -}}

{{- define "vcluster.etcd" -}}
{{- $set := .Values.controlPlane.backingStore.etcd.deploy.statefulSet -}}
{{- $ours := list "- { name: POD_NAME, valueFrom: { fieldRef: { fieldPath: metadata.name } } }" (include "vcluster.env.go" .) -}}
- name: etcd
  image: {{ include "vcluster.etcdImage" . | quote }}
  {{- with $set.imagePullPolicy }}
  imagePullPolicy: {{ . }}
  {{- end }}
  command: [etcd]
  args: {{- include "vcluster.etcd.args" . | nindent 4 }}
  env: {{- include "vcluster.env" (dict "ours" $ours "extra" $set.env) | nindent 4 }}
  ports:
    - { name: client, containerPort: 2379 }
    - { name: peer, containerPort: 2380 }
    - { name: metrics, containerPort: 2381 }
  # A member alone is alive; it is ready when it has a leader.
  startupProbe:
    httpGet: { path: /livez, port: metrics }
    periodSeconds: 1
    timeoutSeconds: 3
    failureThreshold: 300
  livenessProbe:
    httpGet: { path: /livez, port: metrics }
    periodSeconds: 10
    timeoutSeconds: 5
    failureThreshold: 6
  readinessProbe:
    httpGet: { path: /readyz, port: metrics }
    periodSeconds: 1
    timeoutSeconds: 3
    failureThreshold: 3
  resources: {{- toYaml $set.resources | nindent 4 }}
  securityContext: {{- include "vcluster.containerSecurityContext" (dict "root" . "security" $set.security) | nindent 4 }}
  volumeMounts:
    - { name: data, mountPath: /data }
    - { name: certs, mountPath: /pki, readOnly: true }
    {{- with $set.persistence.addVolumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{- define "vcluster.etcd.volumes" -}}
{{- $persistence := .Values.controlPlane.backingStore.etcd.deploy.statefulSet.persistence -}}
{{- if not (include "vcluster.etcd.hasClaim" .) -}}
- name: data
  emptyDir: {}
{{ end -}}
# Made by the control plane's syncer; of all that is in it, etcd gets what is its own.
- name: certs
  secret:
    secretName: {{ .Release.Name }}-certs
    defaultMode: 0440
    items:
      {{- range list "etcd-ca.crt" "etcd-server.crt" "etcd-server.key" "etcd-peer.crt" "etcd-peer.key" "etcd-peer-client.crt" "etcd-peer-client.key" }}
      - { key: {{ . }}, path: {{ . }} }
      {{- end }}
{{- with $persistence.addVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
