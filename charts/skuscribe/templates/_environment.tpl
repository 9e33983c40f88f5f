{{- /* The environment of a container. */ -}}

{{- /* All variables. Arguments: those of `skuscribe.pod`, "gpus", "extraEnv". Of two variables with the same name, the last one wins. */ -}}
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
{{- if .store }}
# For messages that say how to run a step again.
- {name: CRONJOB_PREFIX, value: {{ include "skuscribe.fullname" .root | quote }}}
- {name: CRONJOB_NAMESPACE, value: {{ .root.Release.Namespace | quote }}}
{{- end }}
{{- if and .computes .gpus .root.Values.requireGpu }}
- {name: SKUSCRIBE_REQUIRE_GPU, value: "true"}
{{- end }}
{{- if .key }}
{{- include "skuscribe.settings" . | nindent 0 }}
{{- end }}
{{- if not .token }}
# Without it, torch starts a thread for each core of the node, regardless of the CPU limit of the container.
- name: OMP_NUM_THREADS
  valueFrom: {resourceFieldRef: {resource: limits.cpu}}
{{- end }}
{{- end -}}

{{- /*
The settings of a job as variables: the shared ones, those of the demo, its own. They are in the Job's template, because a
running Job keeps its template, while an upgrade of a ConfigMap would change the later shards of a running training.
Arguments: dict "root" "key" (in the values) "values" "shares" (the shared settings that the job has).
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
{{- $demoSettings := get .root.Values.demo.settings .key | default dict | deepCopy -}}
{{- /* The sizes of a batch in tokens and in rows exclude each other. */ -}}
{{- if get (mergeOverwrite (deepCopy $demoSettings) (.values.settings | default dict | deepCopy)) "target_tokens_per_batch" -}}
{{- $_ := unset $demoSettings "batch_rows" -}}
{{- end -}}
{{- $found = mergeOverwrite $found $demoSettings -}}
{{- end -}}
{{- $found = mergeOverwrite $found (.values.settings | default dict | deepCopy) -}}
{{- $fromEnvironment := false -}}
{{- range .extraEnv -}}{{- if eq .name "SKUSCRIBE_INPUT" -}}{{- $fromEnvironment = true -}}{{- end -}}{{- end -}}
{{- if and (eq .key "prepare") (not (or (get $found "input") $fromEnvironment)) -}}
{{- fail "prepare.settings.input is required: the raw rows (https://... or s3://...). A signed address is a secret: set SKUSCRIBE_INPUT in prepare.pod.extraEnv with a secretKeyRef instead. The demo needs none: --set demo.enabled=true" -}}
{{- end -}}
{{- range $name := keys $found | sortAlpha }}
{{- $value := get $found $name }}
{{- if not (kindIs "invalid" $value) }}
- name: SKUSCRIBE_{{ upper $name }}
  value: {{ include "skuscribe.text" $value | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* The variables for S3. */ -}}
{{- define "skuscribe.storeEnvironment" -}}
{{- $demo := .Values.demo.enabled -}}
{{- $secret := $demo | ternary (include "skuscribe.servicesName" .) .Values.store.existingSecret -}}
- name: SKUSCRIBE_STORE
  value: {{ $demo | ternary "s3://skuscribe" .Values.store.url | required "store.url is required: s3://BUCKET or s3://BUCKET/PREFIX. The demo needs none: --set demo.enabled=true" | quote }}
{{- range $name := list "AWS_REGION" "AWS_DEFAULT_REGION" }}
- name: {{ $name }}
  value: {{ $.Values.store.region | quote }}
{{- end }}
{{- with $demo | ternary (printf "http://%s:8333" (include "skuscribe.servicesName" .)) .Values.store.endpoint }}
- name: AWS_ENDPOINT_URL_S3
  value: {{ . | quote }}
{{- end }}
{{- if not $demo }}
{{- include "skuscribe.requireKeys" (dict "root" . "secret" $secret "keys" (dict "store.accessKeyIdKey" .Values.store.accessKeyIdKey "store.secretAccessKeyKey" .Values.store.secretAccessKeyKey)) }}
{{- end }}
{{- if $secret }}
- name: AWS_ACCESS_KEY_ID
  valueFrom: {secretKeyRef: {name: {{ $secret | quote }}, key: {{ $demo | ternary "AWS_ACCESS_KEY_ID" .Values.store.accessKeyIdKey | quote }}}}
- name: AWS_SECRET_ACCESS_KEY
  valueFrom: {secretKeyRef: {name: {{ $secret | quote }}, key: {{ $demo | ternary "AWS_SECRET_ACCESS_KEY" .Values.store.secretAccessKeyKey | quote }}}}
{{- end }}
{{- if and .Values.store.roleArn (not $demo) }}
- name: AWS_ROLE_ARN
  value: {{ .Values.store.roleArn | quote }}
- name: AWS_WEB_IDENTITY_TOKEN_FILE
  value: /var/run/secrets/skuscribe/token
{{- end }}
{{- end -}}

{{- /* The variables for Postgres. */ -}}
{{- define "skuscribe.postgresEnvironment" -}}
{{- $demo := .Values.demo.enabled -}}
{{- $name := include "skuscribe.servicesName" . -}}
{{- $secret := $demo | ternary $name .Values.postgres.existingSecret -}}
{{- if not $demo }}
{{- include "skuscribe.requireKeys" (dict "root" . "secret" $secret "keys" (dict "postgres.passwordKey" .Values.postgres.passwordKey "postgres.userKey" .Values.postgres.userKey)) }}
{{- include "skuscribe.requireKeys" (dict "root" . "secret" .Values.postgres.caSecret "keys" (dict "postgres.caKey" .Values.postgres.caKey)) }}
{{- end }}
- name: PGHOST
  value: {{ $demo | ternary $name .Values.postgres.host | required "postgres.host is required: a Postgres server with pgvector. The demo needs none: --set demo.enabled=true" | quote }}
- name: PGPORT
  value: {{ $demo | ternary 5432 .Values.postgres.port | toString | quote }}
- name: PGDATABASE
  value: {{ $demo | ternary "skuscribe" .Values.postgres.database | quote }}
- name: PGSSLMODE
  value: {{ $demo | ternary "disable" .Values.postgres.sslmode | quote }}
{{- if include "skuscribe.postgresCa" . }}
- name: PGSSLROOTCERT
  value: /var/run/secrets/skuscribe-postgres/ca.crt
{{- end }}
- name: PGUSER
{{- if and .Values.postgres.userKey (not $demo) }}
  valueFrom: {secretKeyRef: {name: {{ $secret | quote }}, key: {{ .Values.postgres.userKey | quote }}}}
{{- else }}
  value: {{ $demo | ternary "skuscribe" .Values.postgres.user | quote }}
{{- end }}
- name: PGPASSWORD
  valueFrom: {secretKeyRef: {name: {{ $secret | required "postgres.existingSecret is required: a Secret with the password of the role" | quote }}, key: {{ $demo | ternary "PGPASSWORD" .Values.postgres.passwordKey | quote }}}}
{{- end -}}

{{- /* The Secret with the certificate of the authority for Postgres; nothing in the demo. */ -}}
{{- define "skuscribe.postgresCa" -}}
{{- if not .Values.demo.enabled -}}{{- .Values.postgres.caSecret -}}{{- end -}}
{{- end -}}

{{- /*
Fail if the certificate of the authority and `postgres.sslmode` do not fit. With verify-ca and verify-full, libpq does not connect
without one; with `allow` and `prefer`, it uses no TLS if the verification fails. The certificate may also come from `extraEnv`, or
from a volume at ~/.postgresql, where libpq looks for it. Arguments: dict "root" "pod" (the merged `pod` values).
*/ -}}
{{- define "skuscribe.checkPostgresCa" -}}
{{- $postgres := .root.Values.postgres -}}
{{- $verifies := hasPrefix "verify-" $postgres.sslmode -}}
{{- if and $postgres.caSecret (not $verifies) -}}
{{- fail (printf "postgres.caSecret is set, and postgres.sslmode is %s: set postgres.sslmode to verify-full, which verifies the certificate and the host name of the server, or to verify-ca, which verifies the certificate only" $postgres.sslmode) -}}
{{- end -}}
{{- $known := $postgres.caSecret -}}
{{- range .pod.extraEnv -}}{{- if eq .name "PGSSLROOTCERT" -}}{{- $known = .name -}}{{- end -}}{{- end -}}
{{- range .pod.extraVolumeMounts -}}{{- if contains "/.postgresql" .mountPath -}}{{- $known = .mountPath -}}{{- end -}}{{- end -}}
{{- if and $verifies (not $known) -}}
{{- fail (printf "postgres.sslmode is %s, which needs the certificate of the authority that issued the server's certificate: set postgres.caSecret to a Secret with it, or PGSSLROOTCERT in pod.extraEnv to a file of the image" $postgres.sslmode) -}}
{{- end -}}
{{- end -}}

{{- /*
Fail if an existing Secret lacks a key: its pods would never start. A Secret that does not exist may still be created, and
without access to the cluster it is not known. Arguments: dict "root" "secret" (its name) "keys" (of values, to keys of the Secret).
*/ -}}
{{- define "skuscribe.requireKeys" -}}
{{- $existing := and .secret (lookup "v1" "Secret" .root.Release.Namespace .secret) -}}
{{- if $existing -}}
{{- range $value, $key := .keys -}}
{{- if and $key (not (hasKey ($existing.data | default dict) $key)) -}}
{{- fail (printf "Secret %s in namespace %s has no key %s, it has %s: set %s to the right one" $.secret $.root.Release.Namespace $key (keys ($existing.data | default dict) | sortAlpha | join ", ") $value) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
