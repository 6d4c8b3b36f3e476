{{/* kine: a database that looks like etcd. It listens on a socket only the pod's user can open; a port,
     even of the loopback address, could be reached through the host's `pods/portforward`. */}}

{{- define "vcluster.kine.endpoint" -}}unix:///run/kine/kine.sock{{- end -}}

{{/* How kine opens SQLite; the argument is the file. synchronous=FULL: what is acknowledged is on the
     disk, also when the power goes. */}}
{{- define "vcluster.kine.sqlite" -}}
sqlite://{{ include "vcluster.kine.file" . }}
{{- end -}}

{{/* The same under Litestream, which reads the changes out of SQLite's log: kine then neither empties
     that nor rewrites the file. */}}
{{- define "vcluster.kine.replicated" -}}
litestream://{{ include "vcluster.kine.file" . }}
{{- end -}}

{{- define "vcluster.kine.file" -}}
{{ . }}?_journal_mode=WAL&_synchronous=FULL&_busy_timeout=30000&_txlock=immediate&_stmt_cache_size=20&cache=shared
{{- end -}}

{{/* Where a database somewhere else is, with a password in it: never in an argument, which everybody who
     may look at pods can read. dict "root" $ "variable" NAME */}}
{{- define "vcluster.kine.dataSource" -}}
{{- $root := .root -}}
{{- $secret := $root.Values.controlPlane.backingStore.database.external.dataSourceSecret -}}
- name: {{ .variable }}
  valueFrom: { secretKeyRef: { name: {{ $secret.name | default (printf "vc-database-%s" $root.Release.Name) }}, key: {{ ternary $secret.key "dataSource" (not (empty $secret.name)) }} } }
{{- end -}}

{{- define "vcluster.kine" -}}
{{- $database := .Values.controlPlane.backingStore.database -}}
{{- $external := eq (include "vcluster.store" .) "database.external" -}}
{{- $kine := ternary $database.external $database.embedded $external -}}
{{- $ours := list (printf "--listen-address=%s" (include "vcluster.kine.endpoint" .)) "--metrics-bind-address=0" -}}
{{- $env := list -}}
{{- if $external -}}
{{- $tls := include "vcluster.store.tls" (dict "of" $kine "secret" $kine.tlsSecret "ca" "ca-file" "cert" "cert-file" "key" "key-file") -}}
{{- $ours = concat $ours ($tls | fromYamlArray) -}}
{{- $env = list (include "vcluster.kine.dataSource" (dict "root" . "variable" "KINE_ENDPOINT")) -}}
{{- else -}}
{{- $ours = prepend $ours (printf "--endpoint=%s" (include (ternary "vcluster.kine.replicated" "vcluster.kine.sqlite" (eq (include "vcluster.isReplicated" .) "true")) "/data/state.db")) -}}
{{/* An API server has what is five minutes old let go of, and SQLite's file is as large as what was kept at
     its busiest: many times what is in it. By itself kine keeps the last 1000 changes, and those of seconds. */}}
{{- $ours = append $ours "--compact-interval=2s" -}}
{{/* SQLite rewrites its file at start, and has no other place for that. */}}
{{- $env = list "- { name: SQLITE_TMPDIR, value: /data }" -}}
{{- end -}}
- name: kine
  image: {{ include "vcluster.image" (merge (dict "root" .) $kine.image) | quote }}
  command: [kine]
  args: {{- include "vcluster.args" (dict "ours" $ours "extra" $kine.extraArgs) | nindent 4 }}
  env: {{- include "vcluster.env" (dict "root" . "ours" (append $env (include "vcluster.env.go" .))) | nindent 4 }}
  resources: {{- toYaml $kine.resources | nindent 4 }}
  securityContext: {{- include "vcluster.containerSecurityContext" (dict "root" .) | nindent 4 }}
  volumeMounts:
    {{- if $external }}
    {{- with include "vcluster.store.tlsMount" . }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- else }}
    - { name: data, mountPath: /data }
    {{- end }}
    - { name: kine, mountPath: /run/kine }
    {{- with include "vcluster.mounts.extra" . }}
    {{- . | nindent 4 }}
    {{- end }}
{{- end -}}
