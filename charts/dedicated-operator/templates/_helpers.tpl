{{- define "dedicated.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The release's name where it says what this is, else both names. */}}
{{- define "dedicated.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains (include "dedicated.name" .) .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "dedicated.name" .) | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* Cluster-scoped objects carry the namespace, so that releases in several namespaces never meet. */}}
{{- define "dedicated.clusterName" -}}
{{- printf "%s:%s" .Release.Namespace (include "dedicated.fullname" .) }}
{{- end }}

{{- define "dedicated.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "dedicated.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.name is missing: with serviceAccount.create=false name an existing ServiceAccount." .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* What a Deployment selects by never changes: no version in it. */}}
{{- define "dedicated.selector" -}}
app.kubernetes.io/name: {{ include "dedicated.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{- define "dedicated.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "dedicated.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: dedicated-operator
{{- end }}

{{- define "dedicated.image" -}}
{{- $repository := required "image.repository is missing: set it to the repository that holds your build of the operator's image, for example --set image.repository=registry.example.com/dedicated-operator. There is no default." .Values.image.repository }}
{{- $image := printf "%s:%s" $repository (default .Chart.AppVersion .Values.image.tag) }}
{{- with .Values.image.digest }}{{ $image = printf "%s@%s" $image . }}{{ end }}
{{- $image }}
{{- end }}

{{/* Rights on the objects of instances: tests compare them with CHILD_KINDS of the operator. */}}
{{- define "dedicated.instanceRules" -}}
- apiGroups: [dedicated.zitadel.com]
  resources: [dedicatedinstances]
  verbs: [list, watch, patch]
# The operator's facts are stated under this verb; it must not be granted to people.
- apiGroups: [dedicated.zitadel.com]
  resources: [dedicatedinstances]
  verbs: [act-as-operator]
- apiGroups: [dedicated.zitadel.com]
  resources: [contractrecords]
  verbs: [get, list, watch, create]
- apiGroups: [dedicated.zitadel.com]
  resources: [dedicatedinstances/status]
  verbs: [patch]
- apiGroups: [dedicated.zitadel.com]
  resources: [dedicatedinstances/finalizers]
  verbs: [update]
- apiGroups: [""]
  resources: [configmaps, services, serviceaccounts]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch, create]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}

{{/* A verb that no role may ever name: who holds it holds everything, by a wildcard, and was granted nothing. */}}
{{- define "dedicated.controlVerb" -}}
never-granted
{{- end }}

{{/* Policies are named as DNS subdomains: no colon. */}}
{{- define "dedicated.policyName" -}}
{{- printf "%s.%s" .Release.Namespace (include "dedicated.fullname" .) }}
{{- end }}

{{- define "dedicated.subject" -}}
- kind: ServiceAccount
  name: {{ include "dedicated.serviceAccount" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}
