{{- /* The environment of a container. */ -}}

{{- /* All of it: what `skuscribe.pod` takes, "gpus", and "extraEnv". Of two variables of one name the later one counts. */ -}}
{{- define "skuscribe.environment" -}}
{{- $order := list -}}
{{- $found := dict -}}
{{- range concat (include "skuscribe.ownEnvironment" . | fromYamlArray) (.extraEnv | default list) -}}
{{- if not (hasKey $found .name) -}}{{- $order = append $order .name -}}{{- end -}}
{{- $_ := set $found .name . -}}
{{- end -}}
{{- range $order }}
- {{ get $found . | toYaml | nindent 2 | trim }}
{{- end }}
{{- end -}}

{{- define "skuscribe.ownEnvironment" -}}
{{- if .store }}
{{- include "skuscribe.storeEnvironment" .root | nindent 0 }}
{{- end }}
{{- if .postgres }}
{{- include "skuscribe.postgresEnvironment" .root | nindent 0 }}
{{- end }}
{{- with .environment }}
{{- . | nindent 0 }}
{{- end }}
{{- if and .computes .gpus .root.Values.requireGpu }}
- {name: SKUSCRIBE_REQUIRE_GPU, value: "true"}
{{- end }}
{{- if .key }}
{{- include "skuscribe.settings" . | nindent 0 }}
{{- end }}
{{- if not .token }}
# torch would start a thread for each core of the node, whatever the container may use.
- name: OMP_NUM_THREADS
  valueFrom: {resourceFieldRef: {resource: limits.cpu}}
{{- end }}
{{- end -}}

{{- /*
A job's settings as variables, from what several jobs share, the demo's and its own. They stand in the template itself: a
Job keeps its template, while a ConfigMap that an upgrade changes would reach the later shards of a training that runs.
dict "root" "key" (of the values) "values" "shares" (which shared settings the job knows)
*/ -}}
{{- define "skuscribe.settings" -}}
{{- $found := dict -}}
{{- range .shares -}}
{{- if hasKey $.root.Values.settings . -}}{{- $_ := set $found . (get $.root.Values.settings .) -}}{{- end -}}
{{- end -}}
{{- if .root.Values.demo.enabled -}}
{{- if eq .key "prepare" -}}
{{- $_ := set $found "input" "s3://skuscribe/raw/sample.jsonl.gz" -}}
{{- end -}}
{{- $found = mergeOverwrite $found (get .root.Values.demo.settings .key | default dict | deepCopy) -}}
{{- end -}}
{{- $found = mergeOverwrite $found (.values.settings | default dict | deepCopy) -}}
{{- if and (eq .key "prepare") (not (get $found "input")) -}}
{{- fail "prepare.settings.input is needed: where the raw rows are (https://... or s3://...). For a first try: --set demo.enabled=true" -}}
{{- end -}}
{{- range $name := keys $found | sortAlpha }}
{{- $value := get $found $name }}
{{- if not (kindIs "invalid" $value) }}
- name: SKUSCRIBE_{{ upper $name }}
  value: {{ include "skuscribe.text" $value | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* How S3 is reached. */ -}}
{{- define "skuscribe.storeEnvironment" -}}
{{- $demo := .Values.demo.enabled -}}
{{- $secret := $demo | ternary (printf "%s-services" (include "skuscribe.fullname" .)) .Values.store.existingSecret -}}
- name: SKUSCRIBE_STORE
  value: {{ $demo | ternary "s3://skuscribe" .Values.store.url | required "store.url is needed: s3://BUCKET or s3://BUCKET/PREFIX. For a first try: --set demo.enabled=true" | quote }}
{{- range $name := list "AWS_REGION" "AWS_DEFAULT_REGION" }}
- name: {{ $name }}
  value: {{ $.Values.store.region | quote }}
{{- end }}
{{- with $demo | ternary (printf "http://%s-services:8333" (include "skuscribe.fullname" .)) .Values.store.endpoint }}
- name: AWS_ENDPOINT_URL_S3
  value: {{ . | quote }}
{{- end }}
{{- if $secret }}
- name: AWS_ACCESS_KEY_ID
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ $demo | ternary "AWS_ACCESS_KEY_ID" .Values.store.accessKeyIdKey }}}}
- name: AWS_SECRET_ACCESS_KEY
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ $demo | ternary "AWS_SECRET_ACCESS_KEY" .Values.store.secretAccessKeyKey }}}}
{{- end }}
{{- if and .Values.store.roleArn (not $demo) }}
- name: AWS_ROLE_ARN
  value: {{ .Values.store.roleArn | quote }}
- name: AWS_WEB_IDENTITY_TOKEN_FILE
  value: /var/run/secrets/skuscribe/token
{{- end }}
{{- end -}}

{{- /* How Postgres is reached. */ -}}
{{- define "skuscribe.postgresEnvironment" -}}
{{- $demo := .Values.demo.enabled -}}
{{- $name := include "skuscribe.fullname" . -}}
{{- $secret := $demo | ternary (printf "%s-services" $name) .Values.postgres.existingSecret -}}
- name: PGHOST
  value: {{ $demo | ternary (printf "%s-services" $name) .Values.postgres.host | required "postgres.host is needed: the server with pgvector. For a first try: --set demo.enabled=true" | quote }}
- name: PGPORT
  value: {{ $demo | ternary 5432 .Values.postgres.port | toString | quote }}
- name: PGDATABASE
  value: {{ $demo | ternary "skuscribe" .Values.postgres.database | quote }}
- name: PGSSLMODE
  value: {{ $demo | ternary "disable" .Values.postgres.sslmode | quote }}
- name: PGUSER
{{- if and .Values.postgres.userKey (not $demo) }}
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ .Values.postgres.userKey }}}}
{{- else }}
  value: {{ $demo | ternary "skuscribe" .Values.postgres.user | quote }}
{{- end }}
- name: PGPASSWORD
  valueFrom: {secretKeyRef: {name: {{ $secret | required "postgres.existingSecret is needed: a Secret that holds the role's password" }}, key: {{ $demo | ternary "PGPASSWORD" .Values.postgres.passwordKey }}}}
{{- end -}}
