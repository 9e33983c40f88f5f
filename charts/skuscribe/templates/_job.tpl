{{- /* What all steps have alike: the suspended CronJob that keeps the template of a step's Job. */ -}}

{{- /*
The CronJob of a step. dict "root" "name" "key" "values" "arguments" "shares" "store" "postgres" as `skuscribe.pod` takes them, and
"indexes" (nothing: a Job of one part) "inOrder" (one index at a time, and none after one that failed).

Suspended, a CronJob is a place where a Job's template is kept: the pipeline and `kubectl create job --from` use it. Its
annotation tells the pipeline that it reads the template of its own revision, for Helm makes the pipeline's Job first.
*/ -}}
{{- define "skuscribe.cronjob" -}}
{{- $template := include "skuscribe.jobTemplate" . -}}
apiVersion: batch/v1
kind: CronJob
metadata:
  name: {{ include "skuscribe.fullname" .root }}-{{ .name }}
  namespace: {{ .root.Release.Namespace | quote }}
  labels:
    {{- include "skuscribe.labels" . | nindent 4 }}
  annotations:
    skuscribe/template: {{ sha256sum $template | trunc 16 | quote }}
spec:
  schedule: {{ .values.schedule | default "0 0 1 1 *" | quote }}
  suspend: {{ empty .values.schedule }}
  concurrencyPolicy: Forbid
  # A schedule that is set at noon does not catch up on the night before.
  startingDeadlineSeconds: 300
  # Jobs that the pipeline made count too, and it finds its place again by them: keep them until the release goes.
  successfulJobsHistoryLimit: 1000
  failedJobsHistoryLimit: 1000
  jobTemplate:
    {{- $template | nindent 4 }}
{{- end -}}

{{- define "skuscribe.jobTemplate" -}}
metadata:
  labels:
    {{- include "skuscribe.podLabels" . | nindent 4 }}
    {{- with .root.Values.kueue.queue }}
    kueue.x-k8s.io/queue-name: {{ . | quote }}
    {{- end }}
spec:
  {{- if .indexes }}
  completions: {{ .indexes }}
  parallelism: {{ .inOrder | default false | ternary 1 .values.parallelism }}
  {{- end }}
  {{- if .inOrder }}
  maxFailedIndexes: 0
  {{- end }}
  {{- include "skuscribe.failurePolicy" . | trim | nindent 2 }}
  template:
    {{- include "skuscribe.pod" . | nindent 4 }}
{{- end -}}

{{- /*
What the exit codes mean to the cluster: a node that was taken costs no retry; 65, a bad input, ends the index (or the
Job, where it has one part); 2 and 78, a wrong setting, end the Job; all else is retried with growing pauses.
dict "indexes" "values"
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
    {{- if .indexes }}
    - action: FailIndex
      onExitCodes: {operator: In, values: [65]}
    - action: FailJob
      onExitCodes: {operator: In, values: [2, 78]}
    {{- else }}
    - action: FailJob
      onExitCodes: {operator: In, values: [2, 65, 78]}
    {{- end }}
{{- end -}}
