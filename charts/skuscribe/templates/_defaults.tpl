{{- /*
The defaults of values.yaml, for sections that are null in the values of a user: Helm removes those, and `make chart` writes
them here. Every template calls `skuscribe.defaults` first.
*/ -}}

{{- define "skuscribe.defaults" -}}
{{- include "skuscribe.fill" (dict "values" .Values "defaults" (include "skuscribe.defaultValues" . | fromYaml)) -}}
{{- end -}}

{{- /* Set the values that are missing. What a user has removed from settings or resources stays removed, and so does `runAsUser`. */ -}}
{{- define "skuscribe.fill" -}}
{{- range $key, $default := .defaults -}}
{{- $value := get $.values $key -}}
{{- if or (not (hasKey $.values $key)) (kindIs "invalid" $value) -}}
{{- if ne $key "runAsUser" -}}{{- $_ := set $.values $key $default -}}{{- end -}}
{{- else if and (kindIs "map" $default) (not (has $key (list "settings" "resources" "servicesResources"))) -}}
{{- include "skuscribe.fill" (dict "values" $value "defaults" $default) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "skuscribe.defaultValues" -}}
fullnameOverride: ""
image:
  repository: localhost/skuscribe
  tag: ""
  digest: ""
  pullPolicy: IfNotPresent
gpuImage:
  repository: ""
  tag: ""
  digest: ""
imagePullSecrets: []
store:
  url: ""
  endpoint: ""
  region: us-east-1
  existingSecret: ""
  accessKeyIdKey: AWS_ACCESS_KEY_ID
  secretAccessKeyKey: AWS_SECRET_ACCESS_KEY
  roleArn: ""
postgres:
  host: ""
  port: 5432
  database: skuscribe
  user: skuscribe
  sslmode: prefer
  caSecret: ""
  caKey: ca.crt
  existingSecret: ""
  passwordKey: password
  userKey: ""
serviceAccount:
  create: true
  name: ""
  annotations: {}
rbac:
  create: true
shards: 65
settings: {}
gracePeriodSeconds: 110
shm: 512Mi
runAsUser: 10001
gpuResource: nvidia.com/gpu
requireGpu: true
pod:
  nodeSelector: {}
  tolerations: []
  affinity: {}
  runtimeClassName: ""
  priorityClassName: ""
  labels: {}
  annotations: {}
  extraEnv: []
  extraVolumes: []
  extraVolumeMounts: []
gpuPod: {}
prepare:
  settings: {}
  schedule: ""
  retries: 12
  activeDeadlineSeconds: null
  tmp: 20Gi
  resources:
    requests: {cpu: "2", memory: 2Gi, ephemeral-storage: 20Gi}
    limits: {cpu: "4", memory: 2Gi, ephemeral-storage: 21Gi}
  pod: {}
fetchModel:
  settings: {}
  schedule: ""
  retries: 12
  activeDeadlineSeconds: null
  tmp: 20Gi
  resources: {requests: {cpu: "1", memory: 4Gi, ephemeral-storage: 20Gi}, limits: {cpu: "2", memory: 4Gi, ephemeral-storage: 21Gi}}
  pod: {}
embed:
  settings: {}
  schedule: ""
  retries: 12
  activeDeadlineSeconds: null
  parallelism: 4
  tmp: 5Gi
  resources: {requests: {cpu: "2", memory: 3Gi, ephemeral-storage: 5Gi}, limits: {cpu: "4", memory: 3Gi, ephemeral-storage: 6Gi}}
  pod: {}
build:
  settings: {}
  schedule: ""
  retries: 12
  activeDeadlineSeconds: null
  tmp: 5Gi
  resources: {requests: {cpu: "1", memory: 3Gi, ephemeral-storage: 5Gi}, limits: {cpu: "2", memory: 3Gi, ephemeral-storage: 6Gi}}
  pod: {}
match:
  settings: {}
  schedule: ""
  retries: 12
  activeDeadlineSeconds: null
  tmp: 10Gi
  resources: {requests: {cpu: "2", memory: 8Gi, ephemeral-storage: 10Gi}, limits: {cpu: "4", memory: 8Gi, ephemeral-storage: 11Gi}}
  pod: {}
train:
  settings: {}
  schedule: ""
  shards: null
  gpus: 1
  retries: 10
  activeDeadlineSeconds: null
  tmp: 30Gi
  resources:
    requests: {cpu: "3", memory: 12Gi, ephemeral-storage: 30Gi}
    limits: {cpu: "4", memory: 12Gi, ephemeral-storage: 32Gi}
  pod: {}
evaluate:
  settings: {replace: true}
  schedule: ""
  gpus: 1
  retries: 12
  activeDeadlineSeconds: null
  parallelism: 4
  tmp: 20Gi
  resources: {requests: {cpu: "3", memory: 12Gi, ephemeral-storage: 20Gi}, limits: {cpu: "4", memory: 12Gi, ephemeral-storage: 22Gi}}
  pod: {}
describe:
  settings: {replace: true}
  schedule: ""
  gpus: 1
  workers: null
  parts: null
  retries: 12
  activeDeadlineSeconds: null
  parallelism: 4
  tmp: 20Gi
  resources: {requests: {cpu: "3", memory: 12Gi, ephemeral-storage: 20Gi}, limits: {cpu: "4", memory: 12Gi, ephemeral-storage: 22Gi}}
  pod: {}
report:
  settings: {}
  schedule: ""
  retries: 12
  activeDeadlineSeconds: null
  tmp: 5Gi
  resources: {requests: {cpu: "1", memory: 2Gi, ephemeral-storage: 5Gi}, limits: {cpu: "2", memory: 2Gi, ephemeral-storage: 6Gi}}
  pod: {}
pipeline:
  enabled: true
  steps: [prepare, fetch-model, embed, build, match, train, evaluate, describe, report]
  retries: 20
  maxDisruptions: 20
  resources:
    requests: {cpu: 50m, memory: 256Mi, ephemeral-storage: 100Mi}
    limits: {cpu: 500m, memory: 256Mi, ephemeral-storage: 1Gi}
  pod: {}
history:
  successful: 3
  failed: 3
ttlSecondsAfterFinished: null
kueue:
  queue: ""
networkPolicy:
  enabled: true
  storeTo: []
  storePorts: []
  postgresTo: []
  apiTo: []
  apiPorts: [443, 6443]
  extraEgress: []
demo:
  enabled: false
  secret: ""
  gpus: 0
  sampleRows: 2100
  shards: 3
  settings:
    prepare: {shard_rows: 680, held_out_rows: 100}
    fetchModel: {source: tiny}
    train: {epochs: 3, batch_rows: 16, rouge_rows: 10, learning_rate: 0.006}
    evaluate: {questions: 25}
  resources:
    requests: {cpu: 100m, memory: 512Mi, ephemeral-storage: 1Gi}
    limits: {cpu: "1", memory: 3Gi, ephemeral-storage: 6Gi}
  tmp: 4Gi
  storage: 10Gi
  existingClaim: ""
  servicesResources:
    requests: {cpu: 100m, memory: 1Gi, ephemeral-storage: 10Gi}
    limits: {cpu: "2", memory: 3Gi, ephemeral-storage: 15Gi}
doctor:
  gpu: true
{{- end -}}
