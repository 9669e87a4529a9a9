"""The process: wait, look, write the verdict, end."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from dedicated.agents.verify.looking import given, look, recovered, unrecovered
from dedicated.agents.verify.settings import Settings
from dedicated.cluster.own_object import OwnConfigMap, OwnObjectError
from dedicated.contract.recovery.proof import MANAGER, VERDICT, Verdict, to_json
from dedicated.probes.copy import opened
from dedicated.probes.database import DatabaseError

RETRY = 5.0
"""Seconds between two attempts to write the verdict."""
ATTEMPTS = 60

logger = logging.getLogger(__name__)


async def run(settings: Settings, *, now: Callable[[], datetime], monotonic: Callable[[], float]) -> None:
    """Look at a copy, and write down what was seen.

    Raises OSError where the masterkey cannot be read, DatabaseError where the copy went away while it was
    looked at, and OwnObjectError where the verdict cannot be written: then another attempt may.
    """
    held = await asyncio.to_thread(given, settings)
    begun = monotonic()
    why = await recovered(settings.timeout, monotonic=monotonic)
    ended = monotonic()
    if why:
        verdict = unrecovered(settings, why, written=now())
    else:
        logger.info("recovery ended", extra={"seconds": round(ended - begun)})
        async with opened() as found:
            verdict = await look(settings, held, found, written=now())
    waited, took = timedelta(seconds=ended - begun), timedelta(seconds=monotonic() - ended)
    verdict = replace(verdict, written=now(), waited=waited, took=took)
    for check in verdict.checks:
        logger.info("looked", extra={"check": check.name, "result": check.result, "found": check.text})
    await _write(settings, verdict)


async def _write(settings: Settings, verdict: Verdict) -> None:
    record = OwnConfigMap(
        server=settings.api_server,
        credentials=settings.credentials,
        namespace=settings.namespace,
        name=settings.record,
        manager=MANAGER,
    )
    for attempt in range(ATTEMPTS):
        try:
            await record.write({VERDICT: to_json(verdict)})
        except OwnObjectError as error:
            if attempt == ATTEMPTS - 1:
                raise
            logger.warning("the verdict cannot be written", extra={"cause": str(error)})
            await asyncio.sleep(RETRY)
        else:
            return


CAUSES = (OSError, DatabaseError, OwnObjectError)
"""Why it could not look."""
