{{- /* The suspended CronJob with the template of a step's Job. */ -}}

{{- /*
The CronJob of a step. Arguments: those of `skuscribe.pod`, "indexes" (none: not an Indexed Job), "byCatalogue" (the pipeline
sets the number of indexes, `indexes` is for Jobs that people and schedules start), "atOnce" (the number of indexes that run at the same
time, in order, and none after a failed one).

The pipeline and `kubectl create job --from` create Jobs from a suspended CronJob. The annotation with the hash lets the
pipeline wait for the CronJob of its own revision, because Helm creates the pipeline's Job first. Each Job has it too.
*/ -}}
{{- define "skuscribe.cronjob" -}}
{{- $fixed := .byCatalogue | default false | ternary (merge (dict "indexes" 1) .) . -}}
{{- $hash := include "skuscribe.jobTemplate" $fixed | sha256sum | trunc 16 -}}
apiVersion: batch/v1
kind: CronJob
metadata:
  name: {{ include "skuscribe.fullname" .root }}-{{ .name }}
  namespace: {{ .root.Release.Namespace | quote }}
  labels:
    {{- include "skuscribe.labels" . | nindent 4 }}
  annotations:
    skuscribe/template: {{ $hash | quote }}
    {{- if .byCatalogue }}
    skuscribe/completions: catalogue
    {{- end }}
    {{- if ne (include "skuscribe.gpus" .) "0" }}
    skuscribe/gpu-resource: {{ .root.Values.gpuResource | quote }}
    {{- end }}
spec:
  schedule: {{ .values.schedule | default "0 0 1 1 *" | quote }}
  suspend: {{ empty .values.schedule }}
  concurrencyPolicy: Forbid
  # Without a deadline, a new schedule would start the run that it missed the night before.
  startingDeadlineSeconds: 300
  # They don't apply to the Jobs of the pipeline, which their CronJob owns but does not control.
  successfulJobsHistoryLimit: {{ .root.Values.history.successful }}
  failedJobsHistoryLimit: {{ .root.Values.history.failed }}
  jobTemplate:
    {{- include "skuscribe.jobTemplate" (merge (dict "hash" $hash) .) | nindent 4 }}
{{- end -}}

{{- define "skuscribe.jobTemplate" -}}
metadata:
  labels:
    {{- include "skuscribe.podLabels" . | nindent 4 }}
    {{- with .root.Values.kueue.queue }}
    kueue.x-k8s.io/queue-name: {{ . | quote }}
    {{- end }}
  {{- $services := include "skuscribe.servicesChecksum" .root }}
  {{- if or .hash $services }}
  annotations:
    {{- with .hash }}
    skuscribe/template: {{ . | quote }}
    {{- end }}
    {{- with $services }}
    # Another pod of the demo's services starts with empty ones: every step is launched again.
    skuscribe/services: {{ . | quote }}
    {{- end }}
  {{- end }}
spec:
  {{- with .values.activeDeadlineSeconds }}
  activeDeadlineSeconds: {{ . | int }}
  {{- end }}
  {{- if kindIs "invalid" .root.Values.ttlSecondsAfterFinished | not }}
  ttlSecondsAfterFinished: {{ .root.Values.ttlSecondsAfterFinished | int }}
  {{- end }}
  {{- if .indexes }}
  completions: {{ .indexes }}
  parallelism: {{ .atOnce | default .values.parallelism }}
  {{- end }}
  {{- if .atOnce }}
  maxFailedIndexes: 0
  {{- end }}
  {{- include "skuscribe.failurePolicy" . | trim | nindent 2 }}
  template:
    {{- include "skuscribe.pod" . | nindent 4 }}
{{- end -}}

{{- /*
The reaction to exit codes: a disrupted pod costs no retry; 65 (bad input) fails the index, or a Job that is not indexed;
2 and 78 (wrong setting) fail the Job; everything else is retried with backoff. An index that a check finds too early (75) costs no
retry, only the backoff of up to 10 minutes, in which the pod does not exist and holds no GPU. The codes are those of the chart's own
containers: one that a service mesh adds means something else by 2, with which each Go program ends after a panic. Arguments: dict
"name" (of the container) "indexes" "check" "values".
*/ -}}
{{- define "skuscribe.failurePolicy" -}}
{{- if .indexes }}
completionMode: Indexed
backoffLimitPerIndex: {{ .values.retries }}
{{- else }}
backoffLimit: {{ .values.retries }}
{{- end }}
podReplacementPolicy: Failed
podFailurePolicy:
  rules:
    - action: Ignore
      onPodConditions: [{type: DisruptionTarget, status: "True"}]
    {{- if .check }}
    - action: Ignore
      onExitCodes: {containerName: check, operator: In, values: [75]}
    {{- end }}
    {{- range .check | empty | ternary (list .name) (list "check" .name) }}
    - action: {{ $.indexes | empty | ternary "FailJob" "FailIndex" }}
      onExitCodes: {containerName: {{ . }}, operator: In, values: [65]}
    - action: FailJob
      onExitCodes: {containerName: {{ . }}, operator: In, values: [2, 78]}
    {{- end }}
{{- end -}}
