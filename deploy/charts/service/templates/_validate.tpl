{{/* What a quantity is worth in thousandths; empty if it is none. */}}
{{- define "service.milli" -}}
{{- $text := include "service.quantity" . -}}
{{- $number := regexFind "^[0-9]+(\\.[0-9]+)?" $text -}}
{{- $unit := trimPrefix $number $text -}}
{{- $units := dict "m" 1 "" 1000 "k" 1000000 "M" 1000000000 "G" 1000000000000 "T" 1000000000000000 "Ki" 1024000 "Mi" 1048576000 "Gi" 1073741824000 "Ti" 1099511627776000 -}}
{{- if and $number (hasKey $units $unit) }}{{ mulf $number (index $units $unit) | printf "%.3f" }}{{ end -}}
{{- end }}

{{/* Fails for the first value that cannot be, with the field, the value and what to do. */}}
{{- define "service.validate" -}}
{{- include "service.validateImages" . }}
{{- include "service.validateResources" . }}
{{- include "service.validateScaling" . }}
{{- end }}

{{- define "service.validateImages" -}}
{{- $name := include "service.name" . }}
{{- if hasSuffix "-rc" $name }}
{{- fail (printf "name is %q: a VPA of a name in -rc inherits from the one without; name the service without it, and set releaseCandidate.enabled for a candidate" $name) }}
{{- end }}
{{- if not .Values.image.repository }}
{{- fail "image.repository is empty: set it to the image without its tag, such as registry.example.com/shop" }}
{{- end }}
{{- if not .Values.image.tag }}
{{- fail "image.tag is empty: set it to the version that is released, such as 1.41" }}
{{- end }}
{{- if and .Values.releaseCandidate.enabled (not .Values.releaseCandidate.tag) }}
{{- fail "releaseCandidate.enabled is true and releaseCandidate.tag is empty: set it to the candidate's version, such as 1.42-rc1" }}
{{- end }}
{{- if hasKey .Values.container "resources" }}
{{- fail "container.resources is set: set resources instead, for the VPA's floor follows it" }}
{{- end }}
{{- if hasKey .Values.pod "containers" }}
{{- fail "pod.containers is set: describe the service's container by container, and others by sidecars" }}
{{- end }}
{{- end }}

{{- define "service.validateResources" -}}
{{- $examples := dict "cpu" "100m" "memory" "512Mi" }}
{{- $fields := dict "resources.requests" .Values.resources.requests "resources.limits" .Values.resources.limits "vpa.maxAllowed" .Values.vpa.maxAllowed }}
{{- range $resource, $example := $examples }}
{{- $request := index $.Values.resources.requests $resource }}
{{- if not $request }}
{{- fail (printf "resources.requests.%s is empty: set what the service needs at least, such as %s; the VPA recommends no less" $resource $example) }}
{{- end }}
{{- end }}
{{- range $field, $quantities := $fields }}
{{- range $resource, $quantity := $quantities }}
{{- if and (hasKey $examples $resource) (not (include "service.milli" $quantity)) }}
{{- fail (printf "%s.%s is %q, which is no amount: write it such as %s" $field $resource (include "service.quantity" $quantity) (index $examples $resource)) }}
{{- end }}
{{- end }}
{{- end }}
{{- range $resource := keys $examples | sortAlpha }}
{{- $request := index $.Values.resources.requests $resource }}
{{- range $field, $most := dict "resources.limits" (index $.Values.resources.limits $resource) "vpa.maxAllowed" (index $.Values.vpa.maxAllowed $resource) }}
{{- if and $most (lt (include "service.milli" $most | float64) (include "service.milli" $request | float64)) }}
{{- fail (printf "%s.%s is %q and resources.requests.%s is %q: raise %s.%s to at least that, or lower the request" $field $resource (include "service.quantity" $most) $resource (include "service.quantity" $request) $field $resource) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "service.validateScaling" -}}
{{- $hpa := .Values.hpa }}
{{- $replicas := int .Values.replicas }}
{{- if and $hpa.enabled .Values.keda.enabled }}
{{- fail "hpa.enabled and keda.enabled are true: two autoscalers would fight over one workload; set one to false (KEDA scales by requests, too, with a trigger of type prometheus)" }}
{{- end }}
{{- if and $hpa.enabled (le (float64 $hpa.avgRequestsPerSecond) 0.0) }}
{{- fail (printf "hpa.enabled is true and hpa.avgRequestsPerSecond is %v: set it to the requests per second that one pod serves well, such as 50" $hpa.avgRequestsPerSecond) }}
{{- end }}
{{- if and $hpa.enabled (lt $replicas 1) }}
{{- fail (printf "hpa.enabled is true and replicas is %d: set replicas to at least 1, for without pods there are no requests to count" $replicas) }}
{{- end }}
{{- if lt (float64 $hpa.multiplier) 1.0 }}
{{- fail (printf "hpa.multiplier is %v: the most replicas are replicas x multiplier; set it to at least 1" $hpa.multiplier) }}
{{- end }}
{{- $exact := int $hpa.exactMaxReplicas }}
{{- if and (ne $exact 0) (lt $exact $replicas) }}
{{- fail (printf "hpa.exactMaxReplicas is %d and replicas is %d: set it to at least that, or to 0 for replicas x hpa.multiplier" $exact $replicas) }}
{{- end }}
{{- if and .Values.keda.enabled (not .Values.keda.triggers) }}
{{- fail "keda.enabled is true and keda.triggers is empty: add one, such as that of examples/keda.yaml for the lag of a Kafka topic" }}
{{- end }}
{{- if and .Values.keda.enabled (lt (include "service.maxReplicas" . | int) 1) }}
{{- fail (printf "keda.enabled is true, replicas is %d and hpa.exactMaxReplicas is %d: set hpa.exactMaxReplicas to the most replicas that there may be" $replicas $exact) }}
{{- end }}
{{- range $i, $trigger := .Values.keda.triggers }}
{{- if and $.Values.vpa.enabled (has $trigger.type (list "cpu" "memory")) }}
{{- fail (printf "keda.triggers[%d].type is %q: the VPA sets what pods request of it, so that pods cannot be scaled by it, too; scale by requests or a queue, or set vpa.enabled to false" $i $trigger.type) }}
{{- end }}
{{- end }}
{{- end }}
