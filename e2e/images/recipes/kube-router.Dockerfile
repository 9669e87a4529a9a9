# Enforces NetworkPolicies with the node's iptables.
FROM base
RUN apt-get update -q \
 && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends \
      conntrack iproute2 ipset iptables kmod procps \
 && rm -rf /var/lib/apt/lists/*
COPY --from=tools --chmod=755 kube-router /usr/local/bin/kube-router
ENTRYPOINT ["kube-router"]
