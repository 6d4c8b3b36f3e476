{{/* The store: what is enabled under `controlPlane.backingStore`, and how the API server reaches it. */}}

{{- define "vcluster.store" -}}
{{- $store := .Values.controlPlane.backingStore -}}
{{- if $store.etcd.deploy.enabled }}etcd.deploy
{{- else if $store.etcd.external.enabled }}etcd.external
{{- else if $store.database.external.enabled }}database.external
{{- else }}database.embedded
{{- end -}}
{{- end -}}

{{/* "true" for stores that kine makes look like etcd. */}}
{{- define "vcluster.store.isKine" -}}
{{- if hasPrefix "database." (include "vcluster.store" .) }}true{{ end -}}
{{- end -}}

{{/* Where etcd answers, for the API server: a list joined by commas. Each member by its own name: a
     client that knows them all goes on when one is lost. */}}
{{- define "vcluster.store.endpoints" -}}
{{- $name := .Release.Name -}}
{{- $store := include "vcluster.store" . -}}
{{- if eq $store "etcd.deploy" -}}
{{- $endpoints := list -}}
{{- range until (int .Values.controlPlane.backingStore.etcd.deploy.statefulSet.highAvailability.replicas) }}
{{- $endpoints = append $endpoints (printf "https://%s-etcd-%d.%s-etcd-headless:2379" $name . $name) }}
{{- end -}}
{{- join "," $endpoints -}}
{{- else if eq $store "etcd.external" -}}
{{- nospace .Values.controlPlane.backingStore.etcd.external.endpoint -}}
{{- else -}}
{{- include "vcluster.kine.endpoint" . -}}
{{- end -}}
{{- end -}}

{{/* Arguments of the API server, as a YAML list. */}}
{{- define "vcluster.store.args" -}}
- {{ printf "--etcd-servers=%s" (include "vcluster.store.endpoints" .) }}
{{- if eq (include "vcluster.store" .) "etcd.deploy" }}
- --etcd-cafile=/pki/etcd-ca.crt
- --etcd-certfile=/pki/apiserver-etcd-client.crt
- --etcd-keyfile=/pki/apiserver-etcd-client.key
{{- else if eq (include "vcluster.store" .) "etcd.external" }}
{{- $tls := .Values.controlPlane.backingStore.etcd.external.tls }}
{{- include "vcluster.store.tls" (dict "of" $tls "secret" $tls.secret "client" true "ca" "etcd-cafile" "cert" "etcd-certfile" "key" "etcd-keyfile") }}
{{- end }}
{{- end -}}

{{/* Arguments for the files of TLS: dict "of" VALUES "secret" NAME, the names of the arguments "ca", "cert"
     and "key", and "client" when the Secret always has a certificate to log in with. A file is a path, or
     a key of the Secret, which is mounted. */}}
{{- define "vcluster.store.tls" -}}
{{- $paths := dict "ca" .of.caFile "cert" .of.certFile "key" .of.keyFile -}}
{{- if .secret -}}
{{- $paths = dict "ca" (.of.caFile | default "ca.crt") "cert" .of.certFile "key" .of.keyFile -}}
{{- if .client -}}
{{- $paths = mergeOverwrite $paths (dict "cert" (.of.certFile | default "tls.crt") "key" (.of.keyFile | default "tls.key")) -}}
{{- end -}}
{{- end -}}
{{- $root := . -}}
{{- range $file := list "ca" "cert" "key" }}
{{- with get $paths $file }}
- {{ printf "--%s=%s" (get $root $file) (ternary . (printf "/store-tls/%s" .) (or (empty $root.secret) (hasPrefix "/" .))) }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The Secret with the files of TLS for a store somewhere else; may be empty. */}}
{{- define "vcluster.store.tlsSecret" -}}
{{- $store := .Values.controlPlane.backingStore -}}
{{- if eq (include "vcluster.store" .) "etcd.external" }}{{ $store.etcd.external.tls.secret }}
{{- else if eq (include "vcluster.store" .) "database.external" }}{{ $store.database.external.tlsSecret }}
{{- end -}}
{{- end -}}

{{/* The mount of that Secret, for whoever talks to the store. */}}
{{- define "vcluster.store.tlsMount" -}}
{{- if include "vcluster.store.tlsSecret" . -}}
- { name: store-tls, mountPath: /store-tls, readOnly: true }
{{- end -}}
{{- end -}}

{{/* What the API server must wait for, so that it does not give up on its store after 20 seconds; may
     be empty. */}}
{{- define "vcluster.store.peer" -}}
{{- if eq (include "vcluster.store" .) "etcd.deploy" -}}
tcp://{{ .Release.Name }}-etcd:2379
{{- else if eq (include "vcluster.store" .) "database.external" -}}
{{- include "vcluster.kine.endpoint" . -}}
{{- end -}}
{{- end -}}

{{/* Mounts of the API server. */}}
{{- define "vcluster.store.mounts" -}}
{{- if include "vcluster.store.isKine" . }}
- { name: kine, mountPath: /run/kine }
{{- end }}
{{- if eq (include "vcluster.store" .) "etcd.external" }}
{{ include "vcluster.store.tlsMount" . }}
{{- end }}
{{- if include "vcluster.store.peer" . }}
- { name: binaries, mountPath: /binaries, readOnly: true }
{{- end }}
{{- end -}}
