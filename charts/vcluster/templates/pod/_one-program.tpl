{{/* What the containers of distributions that start everything by themselves have in common:
     dict "root" $ "distro" NAME "certificates" PATH (where it keeps certificates: in memory, and at its
     start it finds the authorities there) "run" PATH (for sockets and the like) "runVolume" VOLUME. */}}
{{- define "vcluster.oneProgram.tail" -}}
{{- $root := .root -}}
{{- $distro := get $root.Values.controlPlane.distro .distro -}}
{{- $probes := $root.Values.controlPlane.statefulSet.probes -}}
{{- $port := $root.Values.controlPlane.proxy.port -}}
ports:
  - { name: https, containerPort: {{ $port }} }
{{- if $probes.startupProbe.enabled }}
startupProbe: {{- include "vcluster.probe" (dict "probe" $probes.startupProbe "path" "/readyz" "port" $port "scheme" "HTTPS") | nindent 2 }}
{{- end }}
{{- if $probes.livenessProbe.enabled }}
livenessProbe: {{- include "vcluster.probe" (dict "probe" $probes.livenessProbe "path" "/livez" "port" $port "scheme" "HTTPS") | nindent 2 }}
{{- end }}
{{- if $probes.readinessProbe.enabled }}
readinessProbe: {{- include "vcluster.probe" (dict "probe" $probes.readinessProbe "path" "/readyz" "port" $port "scheme" "HTTPS") | nindent 2 }}
{{- end }}
resources: {{- toYaml $root.Values.controlPlane.statefulSet.resources | nindent 2 }}
securityContext: {{- include "vcluster.containerSecurityContext" (dict "root" $root "more" $distro.securityContext) | nindent 2 }}
volumeMounts:
  - { name: data, mountPath: /data }
  - { name: certs, mountPath: {{ .certificates }}, subPath: {{ .distro }} }
  - { name: certs, mountPath: /pki, readOnly: true }
  - { name: binaries, mountPath: /binaries, readOnly: true }
  - { name: scratch, mountPath: /tmp, subPath: tmp }
  - { name: {{ .runVolume }}, mountPath: {{ .run }}, subPath: run }
  {{- with include "vcluster.store.tlsMount" $root }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with include "vcluster.mounts.extra" $root }}
  {{- . | nindent 2 }}
  {{- end }}
{{- end -}}
