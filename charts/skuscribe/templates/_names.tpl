{{- /* Names, labels, images and other helpers of several templates. */ -}}

{{- /* The prefix of all names: at most 36 characters and no dots, because `NAME-evaluate-HASH-INDEX` is a host name. */ -}}
{{- define "skuscribe.fullname" -}}
{{- $name := .Values.fullnameOverride | default .Release.Name | replace "." "-" -}}
{{- if gt (len $name) 36 -}}
{{- $name = printf "%s-%s" (trunc 27 $name | trimSuffix "-") (sha256sum $name | trunc 8) -}}
{{- end -}}
{{- $name -}}
{{- end -}}

{{- /* The name of the demo's services: that of a Service begins with a letter. */ -}}
{{- define "skuscribe.servicesName" -}}
{{- $name := include "skuscribe.fullname" . -}}
{{- printf "%s%s-services" (regexMatch "^[0-9]" $name | ternary "skuscribe-" "") $name -}}
{{- end -}}

{{- /* A password of the demo that follows from `demo.secret` and the names. Arguments: dict "root" "key" (in the Secret). */ -}}
{{- define "skuscribe.derivedPassword" -}}
{{- printf "skuscribe/%s/%s/%s/%s" .root.Values.demo.secret .root.Release.Namespace .root.Release.Name .key | sha256sum | trunc 32 -}}
{{- end -}}

{{- /* Labels that select the pods of this release. They have no version, which would change the template of every Job. */ -}}
{{- define "skuscribe.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- /* Labels of pods and Jobs. Arguments: dict "root" "name". */ -}}
{{- define "skuscribe.podLabels" -}}
{{ include "skuscribe.selectorLabels" .root }}
app.kubernetes.io/component: {{ .name }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- end -}}

{{- /* Labels of objects that Helm creates. Arguments: dict "root" "name". */ -}}
{{- define "skuscribe.labels" -}}
{{ include "skuscribe.podLabels" . }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
{{- end -}}

{{- /* A hash of what only the pod of the demo's services has, if a new pod loses their data; else nothing. */ -}}
{{- define "skuscribe.servicesChecksum" -}}
{{- $demo := .Values.demo -}}
{{- if and $demo.enabled (not $demo.existingClaim) -}}
{{- $password := empty $demo.secret | ternary "" (include "skuscribe.derivedPassword" (dict "root" . "key" "PGPASSWORD")) -}}
{{- list (include "skuscribe.text" $demo.sampleRows) $password $demo.storage $demo.servicesResources | toJson | sha256sum | trunc 16 -}}
{{- end -}}
{{- end -}}

{{- define "skuscribe.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "skuscribe.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{- /* The pipeline reads the catalogue. If S3 trusts the account of the jobs, it uses that one; otherwise one of its own. */ -}}
{{- define "skuscribe.pipelineAccount" -}}
{{- $jobs := include "skuscribe.serviceAccountName" . -}}
{{- $separate := or .Values.demo.enabled .Values.store.existingSecret (eq $jobs "default") -}}
{{- $separate | empty | ternary $jobs (printf "%s-pipeline" (include "skuscribe.fullname" .)) -}}
{{- end -}}

{{- /* The image of a pod. Arguments: dict "root" "gpus". */ -}}
{{- define "skuscribe.image" -}}
{{- $cpu := .root.Values.image -}}
{{- $tag := $cpu.tag | default .root.Chart.AppVersion -}}
{{- $digest := $cpu.digest -}}
{{- $repository := $cpu.repository -}}
{{- if .gpus -}}
{{- $gpu := .root.Values.gpuImage -}}
{{- if and $cpu.digest (not (or $gpu.digest $gpu.tag)) -}}
{{- fail "image.digest is the digest of the image without GPU libraries only, and some pods have a GPU: set gpuImage.digest or gpuImage.tag too" -}}
{{- end -}}
{{- $repository = $gpu.repository | default $repository -}}
{{- $tag = $gpu.tag | default (printf "%s-gpu" $tag) -}}
{{- $digest = $gpu.digest -}}
{{- end -}}
{{- if $digest -}}{{ $repository }}@{{ $digest }}{{- else -}}{{ $repository }}:{{ $tag }}{{- end -}}
{{- end -}}

{{- /* GPUs per pod of a job, limited by `demo.gpus` in the demo. Arguments: dict "root" "values". */ -}}
{{- define "skuscribe.gpus" -}}
{{- $gpus := .values.gpus | default 0 | int -}}
{{- if .root.Values.demo.enabled -}}
{{- $gpus = min $gpus (.root.Values.demo.gpus | int) -}}
{{- end -}}
{{- $gpus -}}
{{- end -}}

{{- /* The number of shards for Jobs that people and schedules start: of the catalogue, and to train. */ -}}
{{- define "skuscribe.shards" -}}
{{- .Values.demo.enabled | ternary .Values.demo.shards .Values.shards | int -}}
{{- end -}}
{{- define "skuscribe.trainedShards" -}}
{{- .Values.train.shards | default (include "skuscribe.shards" .) | int -}}
{{- end -}}

{{- /* The setting `shards_at_once` of `train`: how many shards start from the same model, and are trained at the same time. */ -}}
{{- define "skuscribe.shardsAtOnce" -}}
{{- include "skuscribe.setting" (dict "root" . "key" "train" "name" "shards_at_once") | default "1" | int | max 1 -}}
{{- end -}}

{{- /* The number of stages to evaluate: base, base with retrieval, the model after each round of shards, the last one with retrieval. */ -}}
{{- define "skuscribe.stages" -}}
{{- $atOnce := include "skuscribe.shardsAtOnce" . | int -}}
{{- div (include "skuscribe.trainedShards" . | int | add $atOnce -1) $atOnce | add 3 -}}
{{- end -}}

{{- /* The number of workers of `describe`. `describe.parts` is its older name. */ -}}
{{- define "skuscribe.workers" -}}
{{- $workers := .Values.describe.workers -}}
{{- $parts := .Values.describe.parts -}}
{{- if and $workers $parts (ne (int $workers) (int $parts)) -}}
{{- fail (printf "describe.workers is %d and describe.parts, its older name, is %d: remove describe.parts from your values (--set describe.parts=null)" (int $workers) (int $parts)) -}}
{{- end -}}
{{- $workers | default $parts | default 1 | int -}}
{{- end -}}

{{- /* The variable with the limit of the shards to train, or nothing. */ -}}
{{- define "skuscribe.maxShards" -}}
{{- with .Values.train.shards -}}
- {name: SKUSCRIBE_MAX_SHARDS, value: {{ . | int | quote }}}
{{- end -}}
{{- end -}}

{{- /* A value as text. Helm would print 1048576 as 1.048576e+06. */ -}}
{{- define "skuscribe.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) -}}{{ printf "%.0f" . }}{{- else -}}{{ toString . }}{{- end -}}
{{- end -}}

{{- /* A setting of a job or of the demo, as text; nothing if neither has it. Arguments: dict "root" "key" (in the values) "name". */ -}}
{{- define "skuscribe.setting" -}}
{{- $settings := dict -}}
{{- if .root.Values.demo.enabled -}}{{- $settings = get .root.Values.demo.settings .key | default dict | deepCopy -}}{{- end -}}
{{- $settings = mergeOverwrite $settings ((get .root.Values .key).settings | default dict | deepCopy) -}}
{{- with get $settings .name -}}{{- include "skuscribe.text" . -}}{{- end -}}
{{- end -}}

{{- /* The port of an http(s) URL. */ -}}
{{- define "skuscribe.port" -}}
{{- $authority := regexReplaceAll "^(?i:https?)://([^/?#]*@)?([^/?#]*).*$" . "${2}" -}}
{{- regexFind ":[0-9]+$" $authority | trimPrefix ":" | default (hasPrefix "http://" (lower .) | ternary "80" "443") -}}
{{- end -}}

{{- /* The setting `retrieval_share` of `train`, or nothing for 0. With it, training needs the index in Postgres. */ -}}
{{- define "skuscribe.retrievalShare" -}}
{{- $share := include "skuscribe.setting" (dict "root" . "key" "train" "name" "retrieval_share") -}}
{{- if gt (toString $share | float64) 0.0 -}}{{ $share }}{{- end -}}
{{- end -}}
