"""The agent's clock is set an hour off while it works: nothing is promised that no restore brings back."""

import argparse
import asyncio
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dedicated.agents.recovery.main import work
from dedicated.agents.recovery.settings import Settings
from dedicated.cli.agent_arguments import add_recovery_arguments, recovery_settings_of
from lab.agent import NAMESPACE, RECORD, arguments
from lab.laboratory import Lab
from lab.load import load
from lab.record_server import RecordServer, record_server
from lab.trial import Claim, held_against_a_restore, published, verdicts

HOUR = timedelta(hours=1)


def settings_for(lab: Lab, record: RecordServer, folder: Path) -> Settings:
    parser = argparse.ArgumentParser()
    add_recovery_arguments(parser, environment={})
    given = [f"--{name}={value}" for name, value in arguments(lab, record, folder).items()]
    settings = recovery_settings_of(parser.parse_args(given), environment={})
    return replace(settings, http_address=("127.0.0.1", 0))


async def so(true: Callable[[], bool], what: str) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(40):
        while not true():  # noqa: ASYNC110 - what is waited for happens in another thread
            await asyncio.sleep(0.05)
    assert true(), what


@pytest.mark.parametrize("step", [HOUR, pytest.param(-HOUR, marks=pytest.mark.slow)], ids=["forward", "back"])
async def test_a_step_of_the_clock_promises_nothing_false(lab: Lab, tmp_path: Path, step: timedelta) -> None:
    offset = timedelta(0)
    stop = asyncio.Event()
    with record_server(namespace=NAMESPACE, name=RECORD) as record, load(lab, clients=1) as clients:
        given = settings_for(lab, record, tmp_path / "agent")
        task = asyncio.create_task(work(given, stop=stop, now=lambda: datetime.now(UTC) + offset))

        def told(*words: str) -> bool:
            report = record.published
            return report is not None and [one.what for one in report.troubles] == [*words]

        def good() -> bool:
            report = record.published
            found = report and report.found
            return (
                report is not None
                and bool(found and found.newest and found.backup and found.newest > found.backup.completed)
                and verdicts(report, now=datetime.now(UTC))["RecoveryPointObjectiveMet"][0] == "True"
            )

        await so(good, "all is well")
        offset = step
        await so(lambda: told("Clock"), "the difference is told")
        written = len(record.writes)
        await so(lambda: len(record.writes) > written + 3 and good(), "it works on, by the other clocks")
        report = record.published
        assert report is not None
        wrong = f"its own clock is 3(600|599) s {'ahead of' if step > timedelta(0) else 'behind'}"
        assert re.search(wrong, report.troubles[0].cause)
        offset = timedelta(0)
        await so(told, "the clocks agree again")

        def claimed(moment: float) -> list[Claim]:
            return [claim for claim in published(record) if claim.said <= moment]

        outcome = await asyncio.to_thread(held_against_a_restore, lab, clients, claimed)
        stop.set()
        await task
    assert outcome.false_claims == ()
    assert outcome.exposure >= outcome.loss
