{{/* kine: SQLite that looks like etcd. It listens on a socket only the pod's user can open; a port,
     even of the loopback address, could be reached through the host's `pods/portforward`. */}}

{{- define "vcluster.store.endpoint" -}}unix:///run/kine/kine.sock{{- end -}}

{{- define "vcluster.store.mounts" -}}
- { name: kine, mountPath: /run/kine }
{{- end -}}

{{- define "vcluster.kine" -}}
{{- $kine := .Values.controlPlane.backingStore.database.embedded -}}
{{/* synchronous=FULL: what is acknowledged is on the disk, also when the power goes. */}}
{{- $parameters := "_journal_mode=WAL&_synchronous=FULL&_busy_timeout=30000&_txlock=immediate&_stmt_cache_size=20&cache=shared" -}}
{{- $ours := list
  (printf "--endpoint=sqlite:///data/state.db?%s" $parameters)
  (printf "--listen-address=%s" (include "vcluster.store.endpoint" .))
  "--metrics-bind-address=0"
-}}
- name: kine
  image: {{ include "vcluster.image" (merge (dict "root" .) $kine.image) | quote }}
  command: [kine]
  args: {{- include "vcluster.args" (dict "ours" $ours "extra" $kine.extraArgs) | nindent 4 }}
  # SQLite rewrites its file at start, and has no other place for that.
  env: {{- include "vcluster.env" (dict "root" . "ours" (list "- { name: SQLITE_TMPDIR, value: /data }" (include "vcluster.env.go" .))) | nindent 4 }}
  resources: {{- toYaml $kine.resources | nindent 4 }}
  securityContext: {{- include "vcluster.containerSecurityContext" (dict "root" .) | nindent 4 }}
  volumeMounts:
    - { name: data, mountPath: /data }
    - { name: kine, mountPath: /run/kine }
    {{- with include "vcluster.mounts.extra" . }}
    {{- . | nindent 4 }}
    {{- end }}
{{- end -}}
