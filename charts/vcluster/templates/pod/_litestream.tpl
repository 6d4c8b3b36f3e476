{{/* Litestream: keeps a copy of the SQLite file in S3-compatible storage, and brings it back to a volume
     that has none. kine leaves all checkpoints to it (docs/decisions/0047). */}}

{{/* "true" when there is a copy. Values that were kept from an earlier version may lack the section. */}}
{{- define "vcluster.isReplicated" -}}
{{- $replication := .Values.controlPlane.backingStore.database.embedded.replication | default dict -}}
{{- if and (eq (toString $replication.enabled) "true") (eq (include "vcluster.store" .) "database.embedded") }}true{{ end -}}
{{- end -}}

{{- define "vcluster.litestream.config" -}}
{{- $replication := .Values.controlPlane.backingStore.database.embedded.replication -}}
{{- $s3 := $replication.s3 -}}
{{- $replica := dict "type" "s3" "bucket" $s3.bucket "path" ($s3.path | default (printf "%s/%s" .Release.Namespace .Release.Name)) "sync-interval" $replication.syncInterval -}}
{{/* What it keeps beside the file may be damaged when a node dies. It then begins anew with a whole copy. */}}
{{- $_ := set $replica "auto-recover" true -}}
{{- with $s3.endpoint }}{{ $_ := set $replica "endpoint" . }}{{ end -}}
{{- with $s3.region }}{{ $_ := set $replica "region" . }}{{ end -}}
{{- if ne (toString $s3.forcePathStyle) "auto" }}{{ $_ := set $replica "force-path-style" (eq (toString $s3.forcePathStyle) "true") }}{{ end -}}
{{- $file := dict "path" "/data/state.db" "monitor-interval" $replication.syncInterval "replica" $replica -}}
{{- $logging := dict "type" (ternary "json" "text" (eq .Values.logging.encoding "json")) -}}
{{- $snapshot := dict "interval" $replication.snapshots.interval "retention" $replication.snapshots.retention -}}
{{- dict "dbs" (list $file) "snapshot" $snapshot "logging" $logging "shutdown-timeout" "20s" "shutdown-sync-timeout" "15s" | toJson -}}
{{- end -}}

{{/* One container of it: dict "root" $ "name" NAME "args" LIST "always" BOOL */}}
{{- define "vcluster.litestream" -}}
{{- $replication := .root.Values.controlPlane.backingStore.database.embedded.replication -}}
{{- $env := list (include "vcluster.env.go" .root) -}}
{{- with $replication.s3.credential -}}
{{- if .secretName -}}
{{- $from := "- { name: %s, valueFrom: { secretKeyRef: { name: %s, key: %s } } }" -}}
{{- $env = append $env (printf $from "AWS_ACCESS_KEY_ID" .secretName (quote .accessKeyIdKey)) -}}
{{- $env = append $env (printf $from "AWS_SECRET_ACCESS_KEY" .secretName (quote .secretAccessKeyKey)) -}}
{{- end -}}
{{- end -}}
{{- if $replication.s3.tlsSecret }}{{ $env = append $env "- { name: SSL_CERT_FILE, value: /replica-tls/ca.crt }" }}{{ end -}}
- name: {{ .name }}
  image: {{ include "vcluster.image" (merge (dict "root" .root) $replication.image) | quote }}
  {{- if .always }}
  # It is there before kine, and ends after it.
  restartPolicy: Always
  {{- end }}
  args: {{- toYaml .args | nindent 4 }}
  env: {{- include "vcluster.env" (dict "root" .root "ours" $env) | nindent 4 }}
  resources: {{- toYaml $replication.resources | nindent 4 }}
  securityContext: {{- include "vcluster.containerSecurityContext" (dict "root" .root) | nindent 4 }}
  volumeMounts:
    - { name: data, mountPath: /data }
    - { name: litestream, mountPath: /etc/litestream, readOnly: true }
    {{- if $replication.s3.tlsSecret }}
    - { name: replica-tls, mountPath: /replica-tls, readOnly: true }
    {{- end }}
    {{- with include "vcluster.mounts.extra" .root }}
    {{- . | nindent 4 }}
    {{- end }}
{{- end -}}

{{/* Before kine: what is missing is brought back, or the pod waits for the storage. */}}
{{- define "vcluster.litestream.init" -}}
{{- $config := list "-config" "/etc/litestream/litestream.json" "-no-expand-env" -}}
{{- $restore := concat (list "restore") $config (list "-if-db-not-exists" "-if-replica-exists" "-integrity-check" "quick" "/data/state.db") -}}
{{ include "vcluster.litestream" (dict "root" . "name" "restore" "args" $restore) }}
{{ include "vcluster.litestream" (dict "root" . "name" "litestream" "args" (concat (list "replicate") $config) "always" true) }}
{{- end -}}

{{- define "vcluster.litestream.volumes" -}}
- name: litestream
  secret:
    secretName: {{ printf "vc-config-%s" .Release.Name }}
    items: [{ key: litestream.json, path: litestream.json }]
{{- with .Values.controlPlane.backingStore.database.embedded.replication.s3.tlsSecret }}
- name: replica-tls
  secret:
    secretName: {{ . }}
    items: [{ key: ca.crt, path: ca.crt }]
{{- end }}
{{- end -}}
