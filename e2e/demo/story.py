"""What the demo tells at its end: what stands, what is real and what is simulated, and what to try."""

import os

from demo.cluster import ENGINE_NAMESPACE, INSTANCE_NAME, INSTANCE_NAMESPACE, Demo
from engines import definitions

PODS = (
    "custom-columns=POD:.metadata.name,"
    "READY:.status.conditions[?(@.type=='Ready')].status,NODE:.spec.nodeName"
)
BACKUPS = (
    "custom-columns=BACKUP:.metadata.name,STATE:.status.state,"
    "BYTES:.status.size,LABEL:.status.backupName"
)
RUNNING = ("--field-selector", "status.phase=Running", "--sort-by", ".spec.nodeName")

REAL = """\
Real: etcd, API server, controller-manager and scheduler 1.36; the chart, installed by Helm 4; the operator,
under its own ServiceAccount with the chart's rights; PostgreSQL; the Jobs and pods of the instance, each a
process with its own files and variables, running a small stand-in for ZITADEL.
Played: the agents in the limiter's pods, who report as the real ones do; no HAProxy runs, and the public name
leads to server and login by itself. The database engine of the instance in namespace globex, where there is
one: servers, backups; and its recovery agent, which reckons by the real one's rules on a log and a repository
that are simulated; what looks at restored copies, and what keeps the keys.
Simulated: nodes and kubelets, container images, the pod network, ZITADEL itself, and the operator's own two
pods in namespace dedicated-system (the operator runs as a process beside them)."""

TOUR = """\
To try (first: eval "$(make -s env)"):
  kubectl get di -A                                          the operations page
  kubectl describe di acme -n acme                           conditions, findings, events
  kubectl get secret acme-admin -n acme -o jsonpath='{{.data.password}}' | base64 -d
                                                             the first administrator's password
  curl --connect-to login.acme.example:443:{front} --cacert {ca} \\
       https://login.acme.example/.well-known/openid-configuration
                                                             the public name answers
  kubectl scale deploy acme-server -n acme --replicas=1      warned, repaired within a second
  kubectl get crec -n acme                                   the record of it: who, what, when
  dedicated limits acme -n acme                              limits in force, proven by replica, and used
  dedicated limits check acme 198.51.100.7 /ui/login -n acme
                                                             what holds for one client
  dedicated record override acme -n acme --range 198.51.100.0/28 --factor 4 --until 2027-06-01 \\
       --reference TICKET-12 --reason offices                refused: the provider is to be named
  kubectl get perconapgbackups,ib -n globex                  an engine's backups, where one is played
  dedicated recovery acme -n globex                          what could be restored of it, and until when
  dedicated drill acme -n globex                             a restore tried out in a copy, and recorded
  dedicated restore acme -n globex --dry-run                 what a restore would reach, and lose
  kubectl delete di acme -n acme                             refused: nobody has confirmed it
  kubectl delete namespace acme                              refused: the instance goes first
  kubectl patch di acme -n acme --type=merge -p '{{"spec":{{"release":{{"channel":"latest"}}}}}}'
                                                             an upgrade: setup, server, login
  kubectl patch di acme -n acme --type=merge -p '{{"spec":{{"server":{{"replicas":1}}}}}}'
                                                             refused, with the reason
  make down                                                  leaves nothing"""


def tell(demo: Demo) -> str:
    """The whole text."""
    cluster = demo.running()
    instance = demo.kubectl("get", "di", INSTANCE_NAME, "-n", INSTANCE_NAMESPACE)
    pods = demo.kubectl("get", "pods", "-n", INSTANCE_NAMESPACE, "-o", PODS, *RUNNING)
    if definitions.folder() is not None:
        shown_backups = demo.kubectl("get", "perconapgbackups", "-n", ENGINE_NAMESPACE, "-o", BACKUPS)
        pods += f"\n$ kubectl get perconapgbackups -n {ENGINE_NAMESPACE}\n{shown_backups}"
    tour = TOUR.format(front=cluster.front, ca=os.path.relpath(cluster.ca))
    shown = ("$ kubectl get di -n acme", instance, "$ kubectl get pods -n acme", pods)
    return "\n".join((*shown, REAL, "", tour))
