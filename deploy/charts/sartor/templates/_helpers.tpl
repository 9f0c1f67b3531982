{{/* Labels of an object: a list of the context and of the program's name, recommender or admission. */}}
{{- define "sartor.labels" -}}
{{ include "sartor.selector" . }}
{{ include "sartor.releaseLabels" (index . 0) }}
{{- end }}

{{/* Labels of what belongs to both programs. */}}
{{- define "sartor.releaseLabels" -}}
app.kubernetes.io/part-of: sartor
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{/* What a program's pods are found by; it never changes. The arguments of sartor.labels. */}}
{{- define "sartor.selector" -}}
app.kubernetes.io/name: {{ (index . 0).Values.name }}-{{ index . 1 }}
{{- end }}

{{/* The image of a program. The arguments of sartor.labels. */}}
{{- define "sartor.image" -}}
{{- $ := index . 0 -}}
{{- $image := (index $.Values (index . 1)).image -}}
{{ $.Values.image.registry }}/{{ $image.repository }}
{{- if $image.digest }}@{{ $image.digest }}
{{- else }}:{{ $.Values.image.tag | default $.Chart.AppVersion }}
{{- end }}
{{- end }}

{{/* Arguments that both programs take, each as an item of a list. */}}
{{- define "sartor.commonArgs" -}}
{{- if .Values.limitPolicy }}
- --limit-policy-file=/etc/sartor/limits.yaml
{{- end }}
{{- if .Values.floorRequestsAtDeclared }}
- --floor-requests-at-declared
{{- end }}
{{- if .Values.featureGates }}
{{- $gates := list }}
{{- range $name, $on := .Values.featureGates }}
{{- $gates = append $gates (printf "%s=%t" $name $on) }}
{{- end }}
- --feature-gates={{ join "," $gates }}
{{- end }}
{{- end }}

{{/* Labels and annotations of a program's pods. A change of configuration restarts them. The arguments of sartor.labels. */}}
{{- define "sartor.podMetadata" -}}
{{- $ := index . 0 -}}
{{- $program := index $.Values (index . 1) -}}
labels:
  {{- include "sartor.selector" . | nindent 2 }}
  app.kubernetes.io/part-of: sartor
  {{- with $program.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- $annotations := deepCopy $program.podAnnotations }}
{{- if eq (index . 1) "recommender" }}
{{- $_ := set $annotations "checksum/prometheus" (include "sartor.prometheus" $ | sha256sum) }}
{{- end }}
{{- if $.Values.limitPolicy }}
{{- $_ := set $annotations "checksum/limit-policy" ($.Values.limitPolicy | toYaml | sha256sum) }}
{{- end }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Where a program's pods run. The arguments of sartor.labels. */}}
{{- define "sartor.scheduling" -}}
{{- $ := index . 0 -}}
{{- $program := index $.Values (index . 1) -}}
{{- with $.Values.image.pullSecrets }}
imagePullSecrets:
{{- toYaml . | nindent 0 }}
{{- end }}
{{- with $program.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $program.tolerations }}
tolerations:
{{- toYaml . | nindent 0 }}
{{- end }}
{{- with $program.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- $selector := include "sartor.selector" . }}
{{- if $program.topologySpread }}
# Two that share a node are better than one.
topologySpreadConstraints:
{{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
- maxSkew: 1
  topologyKey: {{ . }}
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- $selector | nindent 6 }}
{{- end }}
{{- end }}
{{- end }}

{{/* What the recommender's environment says of Prometheus. */}}
{{- define "sartor.prometheus" -}}
# URL of the Prometheus with the history of usage. Empty: no history.
PROMETHEUS_ADDRESS: {{ .Values.prometheus.address | quote }}
# Label that tells environments apart which share that Prometheus, and this cluster's value of it.
PROMETHEUS_ENV_LABEL: {{ .Values.prometheus.envLabel | quote }}
K8S_ENVIRONMENT: {{ .Values.prometheus.environment | quote }}
{{- end }}

{{/* Volumes of files that a program reads. The arguments of sartor.labels. */}}
{{- define "sartor.volumes" -}}
{{- $ := index . 0 -}}
{{- if $.Values.limitPolicy }}
- name: limit-policy
  configMap:
    name: {{ $.Values.name }}-limit-policy
{{- end }}
{{- if and (eq (index . 1) "recommender") $.Values.prometheus.httpConfigSecret.name }}
- name: prometheus-http-config
  secret:
    secretName: {{ $.Values.prometheus.httpConfigSecret.name }}
{{- end }}
{{- if and (eq (index . 1) "admission") $.Values.webhook.certManager.enabled }}
- name: tls-certs
  secret:
    secretName: {{ $.Values.name }}-admission-tls
{{- end }}
{{- end }}

{{/* Where they are mounted. The arguments of sartor.labels. */}}
{{- define "sartor.volumeMounts" -}}
{{- $ := index . 0 -}}
{{- if $.Values.limitPolicy }}
- name: limit-policy
  mountPath: /etc/sartor
  readOnly: true
{{- end }}
{{- if and (eq (index . 1) "recommender") $.Values.prometheus.httpConfigSecret.name }}
- name: prometheus-http-config
  mountPath: /etc/sartor-prometheus
  readOnly: true
{{- end }}
{{- if and (eq (index . 1) "admission") $.Values.webhook.certManager.enabled }}
- name: tls-certs
  mountPath: /etc/tls-certs
  readOnly: true
{{- end }}
{{- end }}

{{/* A disruption budget. The arguments of sartor.labels. */}}
{{- define "sartor.podDisruptionBudget" -}}
{{- $ := index . 0 -}}
{{- $program := index . 1 -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ $.Values.name }}-{{ $program }}
  namespace: {{ $.Release.Namespace }}
  labels:
    {{- include "sartor.labels" . | nindent 4 }}
spec:
  minAvailable: {{ (index $.Values $program).podDisruptionBudget.minAvailable }}
  # A replica that is not ready must not keep a node from being drained.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "sartor.selector" . | nindent 6 }}
{{- end }}

{{/* Who may read a program's metrics: a rule of a NetworkPolicy, or none. */}}
{{- define "sartor.metricsIngress" -}}
{{- with .Values.networkPolicy.metrics }}
# Prometheus. (The kubelet of the pod's own node may always probe.)
- from:
  {{- toYaml . | nindent 2 }}
  ports:
  - port: metrics
    protocol: TCP
{{- end }}
{{- end }}

{{/* Where both programs may connect to: the API server and DNS. */}}
{{- define "sartor.egress" -}}
# The API server: by the port of its Service or, where that is translated first, by its own.
- ports:
  {{- range .Values.networkPolicy.apiServer.ports }}
  - port: {{ . }}
    protocol: TCP
  {{- end }}
  {{- with .Values.networkPolicy.apiServer.peers }}
  to:
  {{- toYaml . | nindent 2 }}
  {{- end }}
- ports:
  - port: 53
    protocol: UDP
  - port: 53
    protocol: TCP
{{- end }}

{{/* A file of deploy/monitoring as it is for this installation, whose jobs and Deployments may have other names. A list of the
context and the file's path. */}}
{{- define "sartor.monitoringFile" -}}
{{- $ := index . 0 -}}
{{ regexReplaceAll "sartor-(recommender|admission)" ($.Files.Get (index . 1)) (printf "%s-${1}" $.Values.name) }}
{{- end }}
