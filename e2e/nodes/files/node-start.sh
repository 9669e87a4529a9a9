#!/bin/bash
# Entry of a node container, under tini. Mounts, read-only: /k8s (kubelet, kube-proxy), /kuberouter, /files (this folder),
# /images, /pki, /names. /var is a volume and survives a crash of the node.
# Environment: N (1..NODES), NODES, GATEWAY, NODE_PREFIX (10.200.0), POD_PREFIX (10.201), SERVICES, DNS, MACHINE, PAUSE (image).
set -eu
node=node$N
mount --make-rshared /
sysctl -qw net.ipv4.ip_forward=1 || true
sysctl -qw net.bridge.bridge-nf-call-iptables=1 || true   # policy for pods of one node, too
for hierarchy in /sys/fs/cgroup/*/; do   # cgroup v1: one hierarchy per controller
  mkdir -p "$hierarchy/kubelet" 2>/dev/null || continue
  for file in cpuset.cpus cpuset.mems; do [ -e "$hierarchy/$file" ] && cat "$hierarchy/$file" >"$hierarchy/kubelet/$file"; done
done
# Processors are shared as systemd shares them: the node's daemons weigh as one, its pods as the processors that it
# reports. Without groups each thread of kubelet or containerd weighs as much as all pods, and a start of some starves all.
cpu=/sys/fs/cgroup/cpu
if [ -e $cpu/cpu.shares ]; then   # cgroup v1
  mkdir -p $cpu/system
  echo 1024 >$cpu/system/cpu.shares
  echo $((1024 * $(nproc))) >$cpu/kubelet/cpu.shares
  echo $$ >$cpu/system/cgroup.procs
fi
mkdir -p /etc/cni/net.d /etc/containerd /var/log /var/volumes /opt/cni /run/xtables; ln -sfn /usr/lib/cni /opt/cni/bin; : >/etc/resolv.k8s
# Volumes are filesystems in files. A container's /dev holds only the loop devices that there were when it started.
for i in $(seq 0 127); do [ -e "/dev/loop$i" ] || mknod "/dev/loop$i" b 7 "$i"; done
for file in /var/volumes/*.img; do
  [ -e "$file" ] && { mountpoint -q "${file%.img}" || mount -o loop "$file" "${file%.img}"; }
done
cat >/etc/cni/net.d/10-bridge.conflist <<C
{"cniVersion":"0.4.0","name":"pods","plugins":[
 {"type":"bridge","bridge":"cni0","isGateway":true,"ipMasq":false,"hairpinMode":true,"ipam":{"type":"host-local","ranges":[[{"subnet":"$POD_PREFIX.$N.0/24"}]],"routes":[{"dst":"0.0.0.0/0"}]}},
 {"type":"portmap","capabilities":{"portMappings":true}}]}
C
cat >/etc/containerd/config.toml <<C
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$PAUSE"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      BinaryName = "/files/runc-without-resource"
C
# No default route: nothing may leave this network. Kept up, so that an interface that comes back heals.
routes() {
  echo route del default
  echo "route replace $MACHINE via $GATEWAY"
  echo "route replace $SERVICES via $GATEWAY"   # any way will do: translated before it is taken
  for i in $(seq "$NODES"); do [ "$i" = "$N" ] || echo "route replace $POD_PREFIX.$i.0/24 via $NODE_PREFIX.1$i"; done
}
routes >/run/routes
( set +e; while :; do ip -force -batch /run/routes 2>/dev/null; sleep 1; done ) &
export PATH=/k8s:$PATH
rm -f /run/containerd/*.sock
containerd >>/var/log/containerd.log 2>&1 &
until ctr version >/dev/null 2>&1; do sleep .1; done
ctr -n k8s.io images ls -q | grep -qxF "$PAUSE" || ctr -n k8s.io images import /images/pause.tar
cat >/etc/kube-proxy.yaml <<C
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
hostnameOverride: $node
clusterCIDR: $POD_PREFIX.0.0/16
clientConnection: {kubeconfig: /pki/proxy.kubeconfig}
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
metricsBindAddress: 127.0.0.1:10249
C
kept() { ( set +e; while :; do "$@"; sleep 1; done ) & }
kept kube-proxy --config=/etc/kube-proxy.yaml >>/var/log/kube-proxy.log 2>&1
kept /kuberouter/kube-router --kubeconfig=/pki/policy.kubeconfig --hostname-override="$node" --service-cluster-ip-range="$SERVICES" >>/var/log/kuberouter.log 2>&1
cat >/etc/kubelet.yaml <<C
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
cgroupDriver: cgroupfs
cgroupRoot: /kubelet
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
failSwapOn: false
evictionHard: {memory.available: "0%", nodefs.available: "0%", nodefs.inodesFree: "0%", imagefs.available: "0%"}
imageGCHighThresholdPercent: 100
nodeStatusUpdateFrequency: 4s
nodeLeaseDurationSeconds: 8
syncFrequency: 15s
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: /pki/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: /pki/$node-serving.crt
tlsPrivateKeyFile: /pki/$node-serving.key
clusterDNS: [$DNS]
clusterDomain: cluster.local
resolvConf: /etc/resolv.k8s
C
# Ahead of the node's other daemons, as a machine reserves processors for it: a node that is busy is not a node that is lost.
# Kept up as the others: it ends where containerd still recovers what it ran before a crash.
kept nice -n -10 kubelet --config=/etc/kubelet.yaml --kubeconfig="/pki/$node.kubeconfig" --hostname-override="$node" --node-ip="$NODE_PREFIX.1$N" \
  --node-labels="topology.kubernetes.io/zone=zone-$N,topology.kubernetes.io/region=region-1" >>/var/log/kubelet.log 2>&1
wait
