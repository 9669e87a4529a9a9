"""A proxy between an operator and its API server that does harm to order.

A test that wants to know what happens when the fifth write is answered with 503, when a watch falls silent,
or when the process dies between a write and its answer, needs exactly that moment. Signals and pauses from
outside hit it by luck; the proxy sees each request before the API server does, and asks a `Policy` what shall
become of it. Plain HTTP on loopback on the operator's side, TLS on the other; tokens are passed through.

    with fault_proxy(server=cluster.state.server, ca=cluster.ca, policy=policy) as proxy:
        operator = run_operator(namespace, server=proxy.url)

`asked` says what a request is, `decisions` what can become of it, `passing` does it, `proxy` is for tests.
"""

from faultproxy.asked import Asked
from faultproxy.decisions import (
    Answer,
    CloseWatch,
    Decision,
    Delay,
    ExpireWatch,
    Forward,
    Gate,
    Half,
    Hold,
    Kill,
    Outage,
    Policy,
    Reset,
    StallWatch,
    forward_all,
)
from faultproxy.passing import Exchange
from faultproxy.proxy import FaultProxy, fault_proxy, proxied_kubeconfig

__all__ = [
    "Answer",
    "Asked",
    "CloseWatch",
    "Decision",
    "Delay",
    "Exchange",
    "ExpireWatch",
    "FaultProxy",
    "Forward",
    "Gate",
    "Half",
    "Hold",
    "Kill",
    "Outage",
    "Policy",
    "Reset",
    "StallWatch",
    "fault_proxy",
    "forward_all",
    "proxied_kubeconfig",
]
