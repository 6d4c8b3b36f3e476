{{/* This project's own container. Only it holds the host's token. */}}

{{- define "vcluster.syncer" -}}
{{- $env := list (include "vcluster.env.syncer" .) -}}
{{- if and (eq (include "vcluster.distro" .) "k0s") (eq (include "vcluster.store" .) "database.external") -}}
{{- $env = append $env (include "vcluster.kine.dataSource" (dict "root" . "variable" "DATA_SOURCE")) -}}
{{- end -}}
- name: syncer
  image: {{ include "vcluster.syncerImage" . | quote }}
  {{- with .Values.controlPlane.statefulSet.imagePullPolicy }}
  imagePullPolicy: {{ . }}
  {{- end }}
  # It prepares, then becomes the syncer. No init container: that the kubelet looks once a second whether one has ended would
  # be waited for at every start.
  args:
    - init
    - --
    - /syncer
    - run
    {{- range .Values.controlPlane.statefulSet.syncer.extraArgs }}
    - {{ . | quote }}
    {{- end }}
  # The kubelet starts no further container before this has ended.
  lifecycle:
    postStart:
      exec: { command: [/syncer, wait, --for, "file:///pki/prepared", --timeout, "600"] }
  env: {{- include "vcluster.env" (dict "root" . "ours" $env) | nindent 4 }}
  ports:
    - { name: metrics, containerPort: 8080 }
  livenessProbe:
    httpGet: { path: /livez, port: metrics }
    periodSeconds: 10
    timeoutSeconds: 5
    failureThreshold: 6
  # Of several pods each is for its API server's sake: they are reached as long as that is ready, whatever becomes of the
  # syncer after it has started. One pod is reached anyway. An answer that would be no is held until just before the next
  # question: whoever waits for the pod does not wait for the kubelet.
  readinessProbe:
    httpGet: { path: "{{ eq (include "vcluster.several" .) "true" | ternary "/startedz" "/readyz" }}?hold=900", port: metrics }
    periodSeconds: 1
    timeoutSeconds: 3
    failureThreshold: 5
  resources: {{- toYaml .Values.controlPlane.statefulSet.syncer.resources | nindent 4 }}
  securityContext: {{- include "vcluster.containerSecurityContext" (dict "root" .) | nindent 4 }}
  volumeMounts:
    - { name: certs, mountPath: /pki }
    - { name: binaries, mountPath: /binaries }
    - { name: vcluster-config, mountPath: /etc/vcluster, readOnly: true }
    - { name: token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true }
    {{- if include "vcluster.isOneProgram" . }}
    - { name: data, mountPath: /data }
    {{- end }}
    {{- with include "vcluster.mounts.extra" . }}
    {{- . | nindent 4 }}
    {{- end }}
{{- end -}}

{{/* "true" when pods are ready before CoreDNS is: with several its pod needs ready ones. The CLI then looks at it itself, by
labels that manifests of one's own need not have. */}}
{{- define "vcluster.dnsIsAwaited" -}}
{{- $coredns := .Values.controlPlane.coredns -}}
{{- if and $coredns.enabled (not $coredns.overwriteManifests) (include "vcluster.several" .) }}true{{ end -}}
{{- end -}}
