{{- /* The suspended CronJob with the template of a step's Job. */ -}}

{{- /*
The CronJob of a step. Arguments: those of `skuscribe.pod`, "indexes" (none: not an Indexed Job), "inOrder" (one index at a time,
and none after a failed one).

The pipeline and `kubectl create job --from` create Jobs from a suspended CronJob. The annotation lets the pipeline wait for
the CronJob of its own revision, because Helm creates the pipeline's Job first.
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
  # Without a deadline, a new schedule would start the run that it missed the night before.
  startingDeadlineSeconds: 300
  # These limits apply to the Jobs of the pipeline too, which needs them to resume: keep all until the release is uninstalled.
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
The reaction to exit codes: a disrupted pod costs no retry; 65 (bad input) fails the index, or a Job that is not indexed;
2 and 78 (wrong setting) fail the Job; everything else is retried with backoff. Arguments: dict "indexes" "values".
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
