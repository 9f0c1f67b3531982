{{- define "service.name" -}}
{{ .Values.name | default .Release.Name }}
{{- end }}

{{/* What the pods of a track (stable or candidate) are found by. A list of the context and the track. */}}
{{- define "service.selector" -}}
app: {{ include "service.name" (index . 0) }}
track: {{ index . 1 }}
{{- end }}

{{/* Labels of all objects. */}}
{{- define "service.labels" -}}
app: {{ include "service.name" . }}
app.kubernetes.io/name: {{ include "service.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{/* A quantity as it is written in YAML, as a string: 2 is "2". */}}
{{- define "service.quantity" -}}
{{ if kindIs "string" . }}{{ . }}{{ else }}{{ toJson . }}{{ end }}
{{- end }}

{{/* A table of quantities. */}}
{{- define "service.quantities" -}}
{{- range $resource, $quantity := . }}
{{ $resource }}: {{ include "service.quantity" $quantity | quote }}
{{- end }}
{{- end }}

{{/* Requests and limits. */}}
{{- define "service.resources" -}}
{{- range $part := list "requests" "limits" }}
{{- with index $.Values.resources $part }}
{{ $part }}:
  {{- include "service.quantities" . | trim | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}

{{/* What is scaled: the Deployment or the Rollout. */}}
{{- define "service.target" -}}
{{- if .Values.rollout.enabled -}}
apiVersion: argoproj.io/v1alpha1
kind: Rollout
{{- else -}}
apiVersion: apps/v1
kind: Deployment
{{- end }}
name: {{ include "service.name" . }}
{{- end }}

{{/* How many pods there are at most. */}}
{{- define "service.maxReplicas" -}}
{{- with int .Values.hpa.exactMaxReplicas }}{{ . }}
{{- else }}{{ mulf .Values.replicas .Values.hpa.multiplier | ceil | int }}
{{- end }}
{{- end }}

{{/* How fast pods come and go. */}}
{{- define "service.behavior" -}}
# Twice as many in a minute, or four if that is more: what new pods will take shows only when they serve, and in averages
# later still.
scaleUp:
  stabilizationWindowSeconds: 30
  selectPolicy: Max
  policies:
  - {type: Percent, value: 100, periodSeconds: 60}
  - {type: Pods, value: 4, periodSeconds: 60}
# A tenth in a minute, when five minutes had no need of them.
scaleDown:
  stabilizationWindowSeconds: 300
  selectPolicy: Max
  policies:
  - {type: Percent, value: 10, periodSeconds: 60}
{{- end }}

{{/* The pods of a track. A list of the context, the track and the image's tag. */}}
{{- define "service.pods" -}}
{{- $ := index . 0 -}}
{{- $labels := merge (dict "app" (include "service.name" $) "track" (index . 1)) $.Values.podLabels -}}
metadata:
  labels:
    {{- toYaml $labels | nindent 4 }}
  {{- with $.Values.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- with $.Values.image.pullSecrets }}
  imagePullSecrets:
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- with $.Values.pod }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  containers:
  - name: {{ include "service.name" $ }}
    image: {{ printf "%s:%s" $.Values.image.repository (index . 2) }}
    {{- if $.Values.port }}
    ports:
    - name: http
      containerPort: {{ $.Values.port }}
    {{- end }}
    resources:
      {{- include "service.resources" $ | trim | nindent 6 }}
    {{- with $.Values.container }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $.Values.sidecars }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
