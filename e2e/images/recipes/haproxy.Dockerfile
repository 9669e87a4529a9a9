# HAProxy as the limiter and the pooler of sessions run it: the configuration comes by a mount.
FROM base
RUN apt-get update -q \
 && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends haproxy \
 && rm -rf /var/lib/apt/lists/*
USER 99:99
CMD ["haproxy", "-W", "-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]
