{{/* How a pod that must outlive the loss of a node asks for names: the YAML of its DNS settings. One of the host's DNS servers
may be lost with the node, and as a rule the next one is asked after 5 s only. */}}
{{- define "vcluster.asksAgainSoon" -}}
options:
  - name: timeout
    value: "1"
  - name: attempts
    value: "4"
{{- end -}}
