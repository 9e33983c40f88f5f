{{- /* The template of every pod: Pod Security `restricted`, a read-only root, sized volumes, scheduling. */ -}}

{{- /* The `pod` values of a job as JSON: `pod`, `gpuPod` if it has a GPU, its own. Maps are merged, lists concatenated. */ -}}
{{- define "skuscribe.podValues" -}}
{{- $layers := list .root.Values.pod -}}
{{- if .gpus -}}{{- $layers = append $layers .root.Values.gpuPod -}}{{- end -}}
{{- $layers = append $layers (.values.pod | default dict) -}}
{{- $merged := dict -}}
{{- range $layer := $layers -}}
{{- range $key, $value := $layer -}}
{{- if kindIs "slice" $value -}}
{{- $_ := set $merged $key (concat (get $merged $key | default list) $value) -}}
{{- else if kindIs "map" $value -}}
{{- $_ := set $merged $key (mergeOverwrite (get $merged $key | default dict | deepCopy) (deepCopy $value)) -}}
{{- else if $value -}}
{{- $_ := set $merged $key $value -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $merged -}}
{{- end -}}

{{- /*
A pod. Arguments: dict "root" "name" (the step) "key" (in the values) "values" "arguments" (of the container) "shares" (shared
settings) "store" and "postgres" (whether it uses them) "computes" (whether its GPU must work). Optional: "token" (whether it
uses the Kubernetes API) "serviceAccountName" "resources" "environment" (additional variables, as YAML).
*/ -}}
{{- define "skuscribe.pod" -}}
{{- $root := .root -}}
{{- $gpus := include "skuscribe.gpus" . | int -}}
{{- $pod := include "skuscribe.podValues" (merge (dict "gpus" $gpus) .) | fromJson -}}
{{- $demo := $root.Values.demo -}}
{{- $launcher := .token | default false -}}
{{- $resources := .resources | default (and $demo.enabled (not $launcher) | ternary $demo.resources .values.resources) | deepCopy -}}
{{- if $gpus -}}
{{- $_ := set $resources "limits" (merge (dict $root.Values.gpuResource $gpus) ($resources.limits | default dict)) -}}
{{- end -}}
{{- $tmp := and $demo.enabled (not $launcher) | ternary $demo.tmp (.values.tmp | default "1Gi") -}}
{{- include "skuscribe.checkVolume" (dict "volume" "tmp" "size" $tmp "resources" $resources "name" .name) -}}
{{- $postgresCa := and .postgres (include "skuscribe.postgresCa" $root) -}}
{{- if and .postgres (not $demo.enabled) -}}
{{- include "skuscribe.checkPostgresCa" (dict "root" $root "pod" $pod) -}}
{{- end -}}
{{- $role := and .store $root.Values.store.roleArn (not $demo.enabled) -}}
metadata:
  labels:
    {{- include "skuscribe.podLabels" . | nindent 4 }}
    {{- with $pod.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $pod.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  restartPolicy: Never
  serviceAccountName: {{ .serviceAccountName | default (include "skuscribe.serviceAccountName" $root) | quote }}
  automountServiceAccountToken: {{ $launcher }}
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ $root.Values.gracePeriodSeconds }}
  securityContext:
    {{- include "skuscribe.podSecurityContext" $root | nindent 4 }}
  {{- with $root.Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- range $key := list "nodeSelector" "affinity" "tolerations" }}
  {{- with get $pod $key }}
  {{ $key }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
  {{- range $key := list "runtimeClassName" "priorityClassName" }}
  {{- with get $pod $key }}
  {{ $key }}: {{ . }}
  {{- end }}
  {{- end }}
  containers:
    - name: {{ .name }}
      image: {{ include "skuscribe.image" (dict "root" $root "gpus" $gpus) | quote }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      args: {{ toJson .arguments }}
      {{- with include "skuscribe.environment" (merge (dict "gpus" $gpus "extraEnv" $pod.extraEnv) .) | trim }}
      env:
        {{- . | nindent 8 }}
      {{- end }}
      resources:
        {{- toYaml $resources | nindent 8 }}
      securityContext:
        {{- include "skuscribe.securityContext" . | nindent 8 }}
      terminationMessagePolicy: FallbackToLogsOnError
      volumeMounts:
        - {name: tmp, mountPath: /tmp}
        - {name: shm, mountPath: /dev/shm}
        {{- if $role }}
        - {name: role-token, mountPath: /var/run/secrets/skuscribe, readOnly: true}
        {{- end }}
        {{- if $postgresCa }}
        - {name: postgres-ca, mountPath: /var/run/secrets/skuscribe-postgres, readOnly: true}
        {{- end }}
        {{- with $pod.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: tmp
      emptyDir: {sizeLimit: {{ $tmp }}}
    - name: shm
      emptyDir: {medium: Memory, sizeLimit: {{ $launcher | ternary "16Mi" $root.Values.shm }}}
    {{- if $role }}
    - name: role-token
      projected:
        sources:
          - serviceAccountToken: {audience: sts.amazonaws.com, expirationSeconds: 3600, path: token}
    {{- end }}
    {{- if $postgresCa }}
    - name: postgres-ca
      secret: {secretName: {{ $postgresCa | quote }}, items: [{key: {{ $root.Values.postgres.caKey | quote }}, path: ca.crt}]}
    {{- end }}
    {{- with $pod.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{- /*
Fail if a volume on the node's disk may be larger than the pod's limit of such storage, which includes it: the kubelet would evict the
pod before the volume is full. Arguments: dict "volume" "size" "resources" "name" (of the pod).
*/ -}}
{{- define "skuscribe.checkVolume" -}}
{{- $limit := dig "limits" "ephemeral-storage" "" .resources -}}
{{- $most := include "skuscribe.mebibytes" $limit | int -}}
{{- if and $most (gt (include "skuscribe.mebibytes" .size | int) $most) -}}
{{- fail (printf "%s of %s is %s, more than its limit of ephemeral-storage, %s, which includes it: raise ephemeral-storage in its resources too" .volume .name .size $limit) -}}
{{- end -}}
{{- end -}}

{{- /* A quantity of memory in whole MiB; 0 for one that is not in Mi, Gi or Ti. */ -}}
{{- define "skuscribe.mebibytes" -}}
{{- $quantity := toString . -}}
{{- $unit := get (dict "Mi" 1 "Gi" 1024 "Ti" 1048576) (regexFind "[A-Za-z]+$" $quantity) | default 0 -}}
{{- mul (regexFind "^[0-9]+" $quantity | int) $unit -}}
{{- end -}}

{{- define "skuscribe.podSecurityContext" -}}
runAsNonRoot: true
{{- with .Values.runAsUser }}
runAsUser: {{ . | int }}
runAsGroup: {{ . | int }}
fsGroup: {{ . | int }}
{{- end }}
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "skuscribe.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}
