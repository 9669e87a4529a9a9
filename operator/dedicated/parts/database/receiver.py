"""A standby lets go of a primary that hangs: the deadline that PostgreSQL has not.

A standby that begins to connect to a host whose kernel answers and whose processes do not (storage that
hangs) waits for ever: its receiver heeds neither `connect_timeout` (it connects step by step) nor
`tcp_user_timeout` (the kernel acknowledges what was sent) nor `wal_receiver_timeout` (nothing streams yet).
Engines take such a standby for one that follows nobody, and promote another. When the host comes back, the
standby streams from the primary of before and confirms its commits: acknowledged writes that the new history
does not have (B-5; seen on real nodes; cloudnative-pg/cloudnative-pg#10591 is the like of it on the sender's
side). So a receiver that has connected for 5 s is ended, again and again: PostgreSQL starts the next one,
which goes where the primary is then.

Only a superuser may end a receiver, and the recovery agent is none: it calls a function that does this alone
(`probes.members`), made with the cluster, in the database `postgres`, so that no export carries it.

Limits: a cluster that is older has it once its owner runs the statements (docs/engines.md). An agent on the
host that hangs does nothing until it runs elsewhere: its pod keeps away from the primary's zone, and leaves a
node that is away after 10 s (`parts.recovery_agent`). A host that comes back within seconds after another was
chosen, before it has heard of that, still acknowledges.
"""

STATEMENTS = (
    """CREATE OR REPLACE FUNCTION public.dedicated_end_hung_receiver() RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
DECLARE found integer;
BEGIN
  SELECT pid INTO found FROM pg_stat_activity
  WHERE backend_type = 'walreceiver' AND lower(wait_event) = 'libpqwalreceiverconnect'
  AND backend_start < clock_timestamp() - interval '5 s';
  IF found IS NOT NULL THEN
    EXECUTE format('COPY (SELECT) TO PROGRAM %L', 'kill -TERM ' || found);
  END IF;
  RETURN found IS NOT NULL;
END $body$""",
    "REVOKE ALL ON FUNCTION public.dedicated_end_hung_receiver() FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION public.dedicated_end_hung_receiver() TO pg_monitor",
)
"""For a superuser, in the database `postgres`; may be run again. `pg_terminate_backend` knows no receiver,
whose number comes from the server alone. The event's name has another case since PostgreSQL 17. To
CloudNativePG these are arguments of a container, in which `$$` is read as `$`."""
SCRIPT = "".join(f"{statement};\n" for statement in STATEMENTS)
