"""The agents of limiters, played beside simulated pods: what a replica would report, by the rules of the real
one."""
