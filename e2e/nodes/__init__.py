"""A cluster of three real nodes on one machine: the provider `nodes`.

Simulated nodes hide what users meet: images, probes, volumes, file permissions, DNS, failover. Here the
control plane's programs run as processes and the nodes as containers with a real kubelet, in namespaces of
their own for processes, mounts and network. The kernel takes all of it away when the first process in there
ends, however that happens.

Needs root on Linux and Debian's packages (`e2e/nodes/install.sh`).
"""
