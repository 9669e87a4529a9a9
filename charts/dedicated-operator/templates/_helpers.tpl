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
  # modify is the right to change what an instance is made of: it lets the operator through its own protection.
  verbs: [list, watch, patch, {{ include "dedicated.grantVerb" . }}]
# The operator's facts are stated under this verb; it must not be granted to people.
- apiGroups: [dedicated.zitadel.com]
  resources: [dedicatedinstances]
  verbs: [act-as-operator]
- apiGroups: [dedicated.zitadel.com]
  resources: [contractrecords]
  # delete: what was rolled up, see templates/records.yaml.
  verbs: [list, watch, create, delete]
- apiGroups: [dedicated.zitadel.com]
  resources: [maintenances]
  verbs: [list, watch, create]
- apiGroups: [dedicated.zitadel.com]
  resources: [instancebackups]
  # delete: what was kept for as long as it was to be.
  verbs: [list, watch, delete]
- apiGroups: [dedicated.zitadel.com]
  resources: [instancerestores]
  # create: drills. delete: the orders of drills that are long over.
  verbs: [list, watch, create, delete]
- apiGroups: [dedicated.zitadel.com]
  resources: [instanceexports]
  # create: drills by a dump, which store nothing.
  verbs: [list, watch, create, delete]
- apiGroups: [dedicated.zitadel.com]
  resources:
  - dedicatedinstances/status
  - maintenances/status
  - instancebackups/status
  - instancerestores/status
  - instanceexports/status
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
  resources: [deployments, statefulsets]
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
- apiGroups: [networking.k8s.io]
  resources: [ingresses]
  verbs: [get, list, watch, create, patch, delete]
# Gateway API and cert-manager, where they are installed: the way in (spec.edge), and its certificate.
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes, grpcroutes]
  verbs: [get, list, watch, create, patch, delete]
# Ways past a limiter, which others made.
- apiGroups: [gateway.networking.k8s.io]
  resources: [tlsroutes, tcproutes]
  verbs: [list, watch]
- apiGroups: [cert-manager.io]
  resources: [certificates]
  verbs: [get, list, watch, create, patch, delete]
# Database engines, where their operators are installed. delete: what a DatabaseRemoved record names, with its volumes,
# and where it archived to: after a restore (docs/restore.md), or after an instance's final backup and retention
# (docs/deletion.md).
- apiGroups: [pgv2.percona.com]
  resources: [perconapgclusters]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [postgresql.cnpg.io]
  resources: [clusters, scheduledbackups]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [barmancloud.cnpg.io]
  resources: [objectstores]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [list, delete]
- apiGroups: [pgv2.percona.com]
  resources: [perconapgbackups]
  verbs: [list, watch, create, delete]
- apiGroups: [postgresql.cnpg.io]
  resources: [backups]
  verbs: [list, watch, create, delete]
# What lets the instructed through the protection. Kubernetes grants nobody more than the granter holds.
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles, rolebindings]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}

{{/* The label that instances mark their objects and their namespace with (LABEL_INSTANCE of the operator). */}}
{{- define "dedicated.instanceLabel" -}}
dedicated.zitadel.com/instance
{{- end }}

{{/* The verb on a dedicatedinstance that lets its holder change what the instance is made of. */}}
{{- define "dedicated.grantVerb" -}}
modify
{{- end }}

{{/* A verb that no role may ever name: who holds it holds everything, by a wildcard, and was granted nothing. */}}
{{- define "dedicated.controlVerb" -}}
never-granted
{{- end }}

{{/* CEL: the facts of a ContractRecord by the side that states them. Notified, Delivered,
DeletionConfirmed and DeletionWithdrawn are more than one side's. */}}
{{- define "dedicated.operatorFacts" -}}
['ModificationRepaired', 'ServiceStarted', 'Started', 'Completed', 'Failed', 'MonthClosed', 'NotMeasured', 'FailedOver', 'Restored', 'DatabaseRemoved', 'Drilled', 'FinalBackup', 'Imported']
{{- end }}
{{- define "dedicated.customerFacts" -}}
['Permitted', 'Refused', 'Withdrawn']
{{- end }}
{{- define "dedicated.providerFacts" -}}
['Blocked', 'Retracted', 'Escalated', 'TerminationNotice', 'TerminationWithdrawn', 'Waiver', 'Agreement', 'Instruction', 'ForceMajeure', 'Override', 'LoadTest', 'OverrideWithdrawn']
{{- end }}

{{/* CEL: facts that the operator never rolls up, and so may not delete: what they say has no month, or is the roll-up. */}}
{{- define "dedicated.keptFacts" -}}
['ServiceStarted', 'MonthClosed', 'Agreement']
{{- end }}

{{/* The variable of a policy that tells whether a field of an instance changes. */}}
{{- define "dedicated.fieldVariable" -}}
changes_{{ replace "." "_" . }}
{{- end }}

{{/* CEL: the names of those fields of a list that change. */}}
{{- define "dedicated.changedFields" -}}
{{- $parts := list }}
{{- range . }}{{ $parts = append $parts (printf "(variables.%s ? ['spec.%s'] : [])" (include "dedicated.fieldVariable" .) .) }}{{ end }}
{{- join " + " $parts }}
{{- end }}

{{/* Policies are named as DNS subdomains: no colon. */}}
{{- define "dedicated.policyName" -}}
{{- printf "%s.%s" .Release.Namespace (include "dedicated.fullname" .) }}
{{- end }}

{{/* CEL: whether the request is Kubernetes' own, or of a platform controller named in the values. */}}
{{- define "dedicated.isPlatform" -}}
{{- $users := concat (list "system:kube-controller-manager" "system:kube-scheduler" "system:cloud-controller-manager" "system:apiserver") .Values.protection.platformControllers.users }}
{{- $groups := concat (list "system:serviceaccounts:kube-system" "system:nodes") .Values.protection.platformControllers.groups }}
{{- printf "(request.userInfo.username in %s || (has(request.userInfo.groups) && request.userInfo.groups.exists(g, g in %s)))" (toJson $users) (toJson $groups) }}
{{- end }}

{{/*
One policy with its binding; and where holders of a wildcard are let through, a second one that warns them.
`constraints` and `conditions` are as in the API; `instances` (list of names), `namespace` and `subject` (a text) are CEL.
`strict`: a wildcard is refused whatever the values say. `never` (CEL): what no instruction lets through.
*/}}
{{- define "dedicated.guard" -}}
{{- $root := .root }}
{{- $protection := $root.Values.protection }}
{{- $name := printf "%s.%s" (include "dedicated.policyName" $root) .name }}
{{- $verb := include "dedicated.grantVerb" $root }}
{{- $ask := "authorizer.group('dedicated.zitadel.com').resource('dedicatedinstances').namespace(variables.place).name(i).check('%s').allowed()" }}
{{- $how := printf "' To do it you need the provider\\'s instruction: the verb %s on dedicatedinstances.dedicated.zitadel.com ' + variables.instances.join(', ') + ' in namespace ' + variables.place + ', by a RoleBinding to you (docs/security.md).'" $verb }}
{{- $never := default "false" .never }}
{{- $how = printf "(%s ? '' : %s)" $never $how }}
{{- $variables := list
  (dict "name" "instances" "expression" .instances)
  (dict "name" "place" "expression" .namespace)
  (dict "name" "granted" "expression" (printf "!(%s) && size(variables.instances) > 0 && variables.instances.all(i, %s)" $never (printf $ask $verb)))
  (dict "name" "wildcard" "expression" (printf "variables.instances.exists(i, %s)" (printf $ask (include "dedicated.controlVerb" $root))))
  (dict "name" "subject" "expression" .subject)
}}
{{- $granted := dict "reason" "Forbidden" "expression" "variables.granted"
  "messageExpression" (printf "variables.subject + %s" $how) }}
{{- $explicitly := dict "reason" "Forbidden" "expression" "!(variables.granted && variables.wildcard)" }}
{{- $warning := "' It is let through because you may do everything; without the provider\\'s instruction it is a modification all the same (docs/security.md).'" }}
{{- $refusal := "' A right to everything, as yours, is no instruction: use an identity without it.'" }}
{{- /* Messages may not ask the authorizer: each case has its own. */}}
{{- $actions := ternary (list "Deny" "Audit") (list "Warn" "Audit") (eq $protection.mode "Deny") }}
{{- $policies := list }}
{{- if and (eq $protection.wildcardAdmins "Warn") (not .strict) }}
{{- $warned := set $explicitly "messageExpression" (printf "variables.subject + %s" $warning) }}
{{- $policies = list
  (dict "name" $name "validations" (list $granted) "actions" $actions)
  (dict "name" (printf "%s-wildcard" $name) "validations" (list $warned) "actions" (list "Warn" "Audit")) }}
{{- else }}
{{- $refused := set $explicitly "messageExpression" (printf "variables.subject + %s + %s" $refusal $how) }}
{{- $policies = list (dict "name" $name "validations" (list $granted $refused) "actions" $actions) }}
{{- end }}
{{- /* Spelled out as the server would fill it in: it is compared as a whole. */}}
{{- $everything := dict "matchPolicy" "Equivalent" "namespaceSelector" dict "objectSelector" dict }}
{{- $constraints := merge .constraints $everything }}
{{- $conditions := .conditions }}
{{- range $policies }}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: {{ .name }}
  labels: {{- include "dedicated.labels" $root | nindent 4 }}
spec:
  failurePolicy: Fail
  matchConstraints: {{- toYaml $constraints | nindent 4 }}
  matchConditions: {{- toYaml $conditions | nindent 4 }}
  variables: {{- toYaml $variables | nindent 4 }}
  validations: {{- toYaml .validations | nindent 4 }}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ .name }}
  labels: {{- include "dedicated.labels" $root | nindent 4 }}
spec:
  policyName: {{ .name }}
  validationActions: {{- toYaml .actions | nindent 4 }}
  {{- with $root.Values.watchNamespaces }}
  matchResources:
    matchPolicy: Equivalent
    objectSelector: {}
    namespaceSelector:
      matchExpressions:
        - key: kubernetes.io/metadata.name
          operator: In
          values: {{- toYaml . | nindent 12 }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "dedicated.subject" -}}
- kind: ServiceAccount
  name: {{ include "dedicated.serviceAccount" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}
