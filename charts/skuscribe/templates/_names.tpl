{{- /* Names, labels, images: what several templates say alike. */ -}}

{{- /* The name that objects begin with, 36 characters at most and no dots: `NAME-evaluate-HASH-INDEX` has to be a host name. */ -}}
{{- define "skuscribe.fullname" -}}
{{- $name := .Values.fullnameOverride | default .Release.Name | replace "." "-" -}}
{{- if gt (len $name) 36 -}}
{{- $name = printf "%s-%s" (trunc 27 $name | trimSuffix "-") (sha256sum $name | trunc 8) -}}
{{- end -}}
{{- $name -}}
{{- end -}}

{{- /* Labels by which pods of this release are chosen. No version: a label that changes would change a Job's template. */ -}}
{{- define "skuscribe.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- /* Labels of pods and Jobs: dict "root" "name". */ -}}
{{- define "skuscribe.podLabels" -}}
{{ include "skuscribe.selectorLabels" .root }}
app.kubernetes.io/component: {{ .name }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- end -}}

{{- /* Labels of objects that Helm makes: dict "root" "name". */ -}}
{{- define "skuscribe.labels" -}}
{{ include "skuscribe.podLabels" . }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
{{- end -}}

{{- define "skuscribe.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "skuscribe.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{- /* The image of a pod: dict "root" "gpus". */ -}}
{{- define "skuscribe.image" -}}
{{- $cpu := .root.Values.image -}}
{{- $tag := $cpu.tag | default .root.Chart.AppVersion -}}
{{- $digest := $cpu.digest -}}
{{- $repository := $cpu.repository -}}
{{- if .gpus -}}
{{- $gpu := .root.Values.gpuImage -}}
{{- $repository = $gpu.repository | default $repository -}}
{{- $tag = $gpu.tag | default (printf "%s-gpu" $tag) -}}
{{- $digest = $gpu.digest -}}
{{- end -}}
{{- if $digest -}}{{ $repository }}@{{ $digest }}{{- else -}}{{ $repository }}:{{ $tag }}{{- end -}}
{{- end -}}

{{- /* GPUs of a pod of this job: what its values say, and no more than the demo allows. */ -}}
{{- define "skuscribe.gpus" -}}
{{- $gpus := .values.gpus | default 0 | int -}}
{{- if .root.Values.demo.enabled -}}
{{- $gpus = min $gpus (.root.Values.demo.gpus | int) -}}
{{- end -}}
{{- $gpus -}}
{{- end -}}

{{- /* How many shards the catalogue has, and how many of them are trained. */ -}}
{{- define "skuscribe.shards" -}}
{{- .Values.demo.enabled | ternary .Values.demo.shards .Values.shards | int -}}
{{- end -}}
{{- define "skuscribe.trainedShards" -}}
{{- $all := include "skuscribe.shards" . | int -}}
{{- min $all (.Values.train.shards | default $all | int) -}}
{{- end -}}

{{- /* A number as people write it: Helm reads 1048576 as 1.048576e+06. */ -}}
{{- define "skuscribe.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) -}}{{ printf "%.0f" . }}{{- else -}}{{ toString . }}{{- end -}}
{{- end -}}

{{- /* Of the training rows, how many are shown their neighbours: empty for none. Then training needs the index, and Postgres. */ -}}
{{- define "skuscribe.retrievalShare" -}}
{{- $settings := dict -}}
{{- if .Values.demo.enabled -}}{{- $settings = .Values.demo.settings.train | default dict | deepCopy -}}{{- end -}}
{{- $share := get (mergeOverwrite $settings (.Values.train.settings | default dict | deepCopy)) "retrieval_share" -}}
{{- if gt (toString $share | float64) 0.0 -}}{{ $share }}{{- end -}}
{{- end -}}
