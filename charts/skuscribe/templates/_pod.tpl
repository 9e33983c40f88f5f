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
uses the Kubernetes API) "serviceAccountName" "resources", with "resourcesPath" (in the values), "volumes" (sizes of further ones on
the node's disk, by their path in the values) "environment" (additional variables, as YAML) "check" (arguments of a container that runs
before the other one, with the same environment).
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
{{- $ofDemo := and $demo.enabled (not $launcher) -}}
{{- $tmp := $ofDemo | ternary $demo.tmp (.values.tmp | default "1Gi") -}}
{{- $path := $ofDemo | ternary "demo" (.key | default .name) -}}
{{- $volumes := merge (dict (printf "%s.tmp" $path) $tmp) (.volumes | default dict) -}}
{{- include "skuscribe.checkVolumes" (dict "volumes" $volumes "resources" $resources "path" (.resourcesPath | default (printf "%s.resources" $path))) -}}
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
  {{ $key }}: {{ . | quote }}
  {{- end }}
  {{- end }}
  {{- $container := merge (dict "gpus" $gpus "pod" $pod "resources" $resources "role" $role "postgresCa" $postgresCa) . }}
  {{- with .check }}
  initContainers:
    {{- include "skuscribe.container" (merge (dict "name" "check" "arguments" .) $container) | trim | nindent 4 }}
  {{- end }}
  containers:
    {{- include "skuscribe.container" $container | trim | nindent 4 }}
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
A container of a pod. Arguments: those of `skuscribe.pod`, with the final "resources"; "gpus", "pod" (its values), "role" and
"postgresCa" (whether it reads their files).
*/ -}}
{{- define "skuscribe.container" -}}
- name: {{ .name }}
  image: {{ include "skuscribe.image" (dict "root" .root "gpus" .gpus) | quote }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  args: {{ toJson .arguments }}
  {{- with include "skuscribe.environment" (merge (dict "extraEnv" .pod.extraEnv) .) | trim }}
  env:
    {{- . | nindent 4 }}
  {{- end }}
  resources:
    {{- toYaml .resources | nindent 4 }}
  securityContext:
    {{- include "skuscribe.securityContext" . | nindent 4 }}
  terminationMessagePolicy: FallbackToLogsOnError
  volumeMounts:
    - {name: tmp, mountPath: /tmp}
    - {name: shm, mountPath: /dev/shm}
    {{- if .role }}
    - {name: role-token, mountPath: /var/run/secrets/skuscribe, readOnly: true}
    {{- end }}
    {{- if .postgresCa }}
    - {name: postgres-ca, mountPath: /var/run/secrets/skuscribe-postgres, readOnly: true}
    {{- end }}
    {{- with .pod.extraVolumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{- /*
Fail if volumes on the node's disk may be larger than the pod's limit of such storage, which includes them: the kubelet would evict
the pod before they are full. Arguments: dict "volumes" (sizes by their path in the values) "resources" "path" (of the resources).
*/ -}}
{{- define "skuscribe.checkVolumes" -}}
{{- $limit := dig "limits" "ephemeral-storage" "" .resources | toString -}}
{{- $sum := 0.0 -}}
{{- range $size := values .volumes -}}{{- $sum = addf $sum (include "skuscribe.bytes" $size | float64) -}}{{- end -}}
{{- if and $limit (gt $sum (include "skuscribe.bytes" $limit | float64)) -}}
{{- $sizes := list -}}
{{- range $path, $size := .volumes -}}{{- $sizes = append $sizes (printf "%s (%s)" $path $size) -}}{{- end -}}
{{- fail (printf "%s: more than limits.ephemeral-storage of %s, %s, which covers the volumes: raise that too" (join " and " $sizes) .path $limit) -}}
{{- end -}}
{{- end -}}

{{- /* A quantity of storage in bytes. */ -}}
{{- define "skuscribe.bytes" -}}
{{- $units := dict "" 1 "m" 0.001 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- $quantity := toString . -}}
{{- mulf (regexFind "^[0-9.]+" $quantity | float64) (get $units (regexFind "[A-Za-z]*$" $quantity) | float64) -}}
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
