{{- define "sockwatch.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "sockwatch.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "sockwatch.selectorLabels" -}}
app.kubernetes.io/name: {{ include "sockwatch.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "sockwatch.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "sockwatch.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "sockwatch.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "sockwatch.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "sockwatch.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/* Whether the agent asks the API server for names at all. */}}
{{- define "sockwatch.asksKubernetes" -}}
{{- if ne (dig "kubernetes" "enabled" "auto" .Values.config) "off" -}}yes{{- end -}}
{{- end -}}

{{/* The capabilities that the enabled features need, and no others. */}}
{{- define "sockwatch.capabilities" -}}
{{- $needed := list "BPF" "PERFMON" "NET_ADMIN" -}}
{{- if .Values.capabilities.kernelBefore511 -}}
{{- $needed = append $needed "SYS_RESOURCE" -}}
{{- end -}}
{{- if .Values.capabilities.kernelWithoutTypes -}}
{{- $needed = concat $needed (list "SYS_PTRACE" "DAC_READ_SEARCH") -}}
{{- end -}}
{{- if or (ne (dig "payload" "direction" "off" .Values.config) "off") (dig "payload" "recogniseProtocols" false .Values.config) -}}
{{- $needed = append $needed "SYSLOG" -}}
{{- end -}}
{{- if ne (dig "diagnostics" "programStats" "sampled" .Values.config) "off" -}}
{{- $needed = append $needed "SYS_ADMIN" -}}
{{- end -}}
{{- if lt (int .Values.port) 1024 -}}
{{- $needed = append $needed "NET_BIND_SERVICE" -}}
{{- end -}}
{{- concat $needed .Values.capabilities.extra | uniq | toYaml -}}
{{- end -}}

{{/* The agent's file: what the user set, and what follows from the pod. */}}
{{- define "sockwatch.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- $_ := set $config "http" (dict "listen" (printf ":%d" (int .Values.port))) -}}
{{- $otlp := deepCopy (default (dict) $config.otlp) -}}
{{- with .Values.otlpSecrets.tls -}}
{{- if .secret -}}
{{- range $option, $key := dict "certificate" .ca "clientCertificate" .certificate "clientKey" .key -}}
{{- if $key -}}
{{- $_ = set $otlp $option (printf "/etc/sockwatch/otlp/%s" $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if $otlp -}}
{{- $_ = set $config "otlp" $otlp -}}
{{- else -}}
{{- $_ = unset $config "otlp" -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{/* NAME=VALUE,…, as the environment variable of the headers takes it. */}}
{{- define "sockwatch.headers" -}}
{{- $headers := list -}}
{{- range $name, $value := .Values.otlpSecrets.headers -}}
{{- $headers = append $headers (printf "%s=%s" $name (urlquery $value | replace "+" "%20")) -}}
{{- end -}}
{{- join "," $headers -}}
{{- end -}}

{{- define "sockwatch.hasOwnHeaders" -}}
{{- if and .Values.otlpSecrets.headers (not .Values.otlpSecrets.existingHeadersSecret.name) -}}yes{{- end -}}
{{- end -}}

{{- define "sockwatch.hasMonitor" -}}
{{- if or .Values.podMonitor.enabled .Values.serviceMonitor.enabled -}}yes{{- end -}}
{{- end -}}

{{/* A time such as 1m30s, for comparing. */}}
{{- define "sockwatch.milliseconds" -}}
{{- $sum := 0 -}}
{{- range regexFindAll "[0-9]+(ms|s|m|h)" . -1 -}}
{{- $sum = add $sum (mul (regexFind "^[0-9]+" . | int64) (get (dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000) (regexFind "[a-z]+$" .))) -}}
{{- end -}}
{{- $sum -}}
{{- end -}}

{{/* Mistakes that a schema cannot see. Each line names the value and the way out. */}}
{{- define "sockwatch.validate" -}}
{{- $config := .Values.config -}}
{{- if dig "http" "listen" "" $config -}}
{{- fail "config.http.listen belongs to the chart: set `port`, which the probes and the monitors follow" -}}
{{- end -}}
{{- if dig "stateDirectory" "" $config -}}
{{- fail "config.stateDirectory belongs to the chart: set `stateHostPath`" -}}
{{- end -}}
{{- if dig "otlp" "headers" "" $config -}}
{{- fail "config.otlp.headers would stand in a ConfigMap for everybody to read: set `otlpSecrets.headers` or `otlpSecrets.existingHeadersSecret`" -}}
{{- end -}}
{{- if and .Values.otlpSecrets.headers .Values.otlpSecrets.existingHeadersSecret.name -}}
{{- fail "otlpSecrets.headers and otlpSecrets.existingHeadersSecret.name are both set: keep one" -}}
{{- end -}}
{{- with .Values.otlpSecrets.tls -}}
{{- if and .secret (or (dig "otlp" "certificate" "" $config) (dig "otlp" "clientCertificate" "" $config) (dig "otlp" "clientKey" "" $config)) -}}
{{- fail "otlpSecrets.tls.secret and the files of config.otlp are both set: keep one" -}}
{{- end -}}
{{- if ne (empty .certificate) (empty .key) -}}
{{- fail "otlpSecrets.tls.certificate and otlpSecrets.tls.key belong together: set both or none" -}}
{{- end -}}
{{- end -}}
{{- $target := dig "flowLog" "target" "-" $config -}}
{{- if and (not (has $target (list "-" "none"))) (not .Values.extraVolumeMounts) -}}
{{- fail (printf "config.flowLog.target is the file %s, and the root file system is read-only: mount a place for it by `extraVolumes` and `extraVolumeMounts`" $target) -}}
{{- end -}}
{{- if and .Values.networkPolicy.enabled .Values.hostNetwork -}}
{{- fail "networkPolicy.enabled has no effect with hostNetwork: true; turn one of them off" -}}
{{- end -}}
{{- if and (dig "kubernetes" "serviceBackends" false $config) (not .Values.hostNetwork) -}}
{{- fail "config.kubernetes.serviceBackends asks the node's connection tracking, which is of the node's network: set hostNetwork: true" -}}
{{- end -}}
{{- if not (has (dig "rollingUpdate" "maxSurge" 0 .Values.updateStrategy | toString) (list "0" "0%")) -}}
{{- fail "updateStrategy.rollingUpdate.maxSurge starts the new agent beside the old one, and two agents count everything twice: leave maxSurge out" -}}
{{- end -}}
{{- range $name := list "podMonitor" "serviceMonitor" -}}
{{- with index $.Values $name -}}
{{- if and .enabled (gt (include "sockwatch.milliseconds" .scrapeTimeout | int64) (include "sockwatch.milliseconds" .interval | int64)) -}}
{{- fail (printf "%s.scrapeTimeout, %s, is longer than %s.interval, %s: lower the one or raise the other" $name .scrapeTimeout $name .interval) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $name := list "commonLabels" "podLabels" -}}
{{- range $label, $value := index $.Values $name -}}
{{- if or (has $label (list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/version" "app.kubernetes.io/managed-by")) (eq $label "helm.sh/chart") -}}
{{- fail (printf "%s.%s is a label of the chart's own, by which pods are found: leave it out; `nameOverride` changes the name" $name $label) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .Values.serviceMonitor.enabled (not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" (include "sockwatch.fullname" .))) -}}
{{- fail (printf "%s is no name for the Service of serviceMonitor, which begins with a letter and has no dot: set `fullnameOverride`, or use podMonitor" (include "sockwatch.fullname" .)) -}}
{{- end -}}
{{- end -}}
