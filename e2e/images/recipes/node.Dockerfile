# A node: container runtime, network plugins, and what kubelet and kube-proxy call. They themselves come by a mount.
FROM base
RUN apt-get update -q \
 && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends \
      catatonit conntrack containerd containernetworking-plugins e2fsprogs ebtables ethtool ipset iproute2 iptables jq kmod \
      mount nftables procps runc socat tini util-linux \
 && rm -rf /var/lib/apt/lists/*
ENTRYPOINT ["tini", "--"]
