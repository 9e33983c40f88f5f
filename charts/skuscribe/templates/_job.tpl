{{- /* What the CronJobs of all steps have alike: dict "root" "name" "values". */ -}}

{{- define "skuscribe.cronjobMetadata" -}}
name: {{ include "skuscribe.fullname" .root }}-{{ .name }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "skuscribe.labels" . | nindent 2 }}
{{- end -}}

{{- /* Suspended, a CronJob is a place where a Job's template is kept: the pipeline and `kubectl create job --from` use it. */ -}}
{{- define "skuscribe.schedule" -}}
schedule: {{ .values.schedule | default "0 0 1 1 *" | quote }}
suspend: {{ empty .values.schedule }}
concurrencyPolicy: Forbid
# Jobs that the pipeline made count too, and it finds its place again by them: keep them until the release goes.
successfulJobsHistoryLimit: 1000
failedJobsHistoryLimit: 1000
{{- end -}}

{{- define "skuscribe.jobMetadata" -}}
labels:
  {{- include "skuscribe.podLabels" . | nindent 2 }}
  {{- with .root.Values.kueue.queue }}
  kueue.x-k8s.io/queue-name: {{ . }}
  {{- end }}
{{- end -}}

{{- /*
What the exit codes mean to the cluster: a node that was taken costs no retry; 65, a bad input, ends the index (or the
Job, where it has one part); 2 and 78, a wrong setting, end the Job; all else is retried with growing pauses.
dict "indexed" "retries"
*/ -}}
{{- define "skuscribe.failurePolicy" -}}
{{- if .indexed }}
completionMode: Indexed
backoffLimitPerIndex: {{ .retries }}
{{- else }}
backoffLimit: {{ .retries }}
{{- end }}
podReplacementPolicy: Failed
podFailurePolicy:
  rules:
    - action: Ignore
      onPodConditions: [{type: DisruptionTarget, status: "True"}]
    {{- if .indexed }}
    - action: FailIndex
      onExitCodes: {operator: In, values: [65]}
    - action: FailJob
      onExitCodes: {operator: In, values: [2, 78]}
    {{- else }}
    - action: FailJob
      onExitCodes: {operator: In, values: [2, 65, 78]}
    {{- end }}
{{- end -}}
