"""The order of things in one replica: follow what is wanted, take it when it is this one's turn, prove it.

What was refused is tried again after a minute, as what was missing may have come: a Secret's file, or a name.
Until then it is told as refused, be it the files or a Secret that was exchanged under them.
A HAProxy that was started anew is proven anew.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from dedicated.agents.limiter import places
from dedicated.agents.limiter.applying import Applier, RejectedError
from dedicated.agents.limiter.content import Content, ContentError, content_of
from dedicated.agents.limiter.observing import Observer
from dedicated.agents.limiter.places import PlaceError, Places
from dedicated.agents.limiter.proving import Source, prove, thresholds
from dedicated.agents.limiter.settings import PROVE_AGAIN, Settings
from dedicated.agents.limiter.state import State
from dedicated.agents.running import pause
from dedicated.api.json import digest
from dedicated.cluster.own_object import OwnConfigMap, OwnObjectError
from dedicated.cluster.own_watch import OwnWatch
from dedicated.contract.limiter_line import turn
from dedicated.contract.limiter_report import Proof, from_json, key_of
from dedicated.parts.limiter.configuration import HASH_VARIABLE
from dedicated.probes.haproxy import HaproxyError, Process

ASK_EVERY = 1.0
"""Seconds between two questions whether it is this replica's turn."""
SETTLED = 6.0
"""Seconds from the start of a worker until it has learned from the others what was counted: before, what they
send may lag behind what it counts itself."""
RETRY = 5.0
AGAIN = PROVE_AGAIN.total_seconds()

logger = logging.getLogger(__name__)


class Work:
    """One replica's. Its loops run until they are cancelled."""

    def __init__(
        self,
        settings: Settings,
        *,
        applier: Applier,
        state: State,
        watch: OwnWatch,
        record: OwnConfigMap,
        source: Source,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._applier = applier
        self._state = state
        self._watch = watch
        self._record = record
        self._source = source
        self._now = now
        self._monotonic = monotonic
        self._observer = Observer(applier.process, replica=settings.replica, monotonic=monotonic)
        self._data: Mapping[str, str] | None = None
        self._seen = monotonic()
        self._before = ("", monotonic())
        self._progress: tuple[object, float] = ((), monotonic())
        self._changed = asyncio.Event()
        self._worker: Process | None = None
        self._refused = ("", "", monotonic())
        self._places: Places | None = None
        self._secrets = secrets_mark(settings.secrets)
        self._taken_secrets = self._secrets
        self.alive = monotonic()

    async def follow(self) -> None:
        """Take what the ConfigMap holds, whenever it changes."""
        problem = ""
        while True:
            try:
                async for data in self._watch.follow():
                    problem = ""
                    if data != self._data:
                        self._data, self._seen = data, self._monotonic()
                        self._changed.set()
            except OwnObjectError as error:
                if str(error) != problem:
                    logger.warning("what is wanted cannot be followed", extra={"cause": str(error)})
                problem = str(error)
                await asyncio.sleep(RETRY)

    async def observe(self) -> None:
        """Look at the figures, at which process it is, and at the Secrets."""
        while True:
            try:
                self._state.see(await self._observer.look())
                seen = await self._is_another()
            except HaproxyError as error:
                logger.info("HAProxy is not seen", extra={"cause": str(error)})
                seen = None
            self._secrets = secrets_mark(self._settings.secrets, before=self._secrets)
            if seen is not False or self._secrets != self._taken_secrets:
                self._changed.set()
            await asyncio.sleep(ASK_EVERY if seen is None else self._settings.look_every.total_seconds())

    async def run(self) -> None:
        """Keep the process to what is wanted."""
        while True:
            self.alive = self._monotonic()
            self._changed.clear()
            try:
                wait = await self._step()
            except ContentError as error:
                self._state.tell("Rejected", str(error))
                wait = AGAIN
            except (HaproxyError, PlaceError) as error:
                self._state.tell("Applying", str(error))
                wait = ASK_EVERY
            except OSError as error:
                # Not the end: HAProxy serves on, and a pod without its agent would lose its traffic.
                told = f"the files cannot be written: {error.strerror or type(error).__name__}"
                logger.error("not taken", extra={"cause": told})
                self._state.tell("Applying", told)
                wait = RETRY
            await pause(self._changed, wait)

    async def _step(self) -> float:
        """What is to be done now; the seconds until something is again, if nothing happens."""
        if self._data is None:
            return AGAIN
        content = content_of(self._data, replica=self._settings.replica)
        self._state.want(content.digest)
        files, mark = await self._files(content), self._applier.folder.mark
        if mark != content.digest:
            if not self._state.content:
                await self._tell(mark)
            if (wait := await self._not_yet(content)) is not None:
                return wait
        if mark != content.digest or self._secrets != self._taken_secrets or self._stale(files):
            if (left := self._left(content)) > 0:
                return left
            reload = not mark or self._secrets != self._taken_secrets
            await self._take(content, files, reload=reload)
        elif self._state.content != content.digest or await self._is_another():
            await self._tell(content.digest)
            await self._prove(content, files)
        elif self._is_due(content):
            await self._prove(content, files)
        else:
            self._state.tell("Applied", "")
        return AGAIN

    async def _not_yet(self, content: Content) -> float | None:
        """Seconds to wait for the replica before this one; None: it is this one's turn."""
        if (left := self._left(content)) > 0:
            return left
        replica, before = self._settings.replica, None
        if replica:
            try:
                text = (await self._record.read()).get(key_of(replica - 1), "")
            except OwnObjectError:
                text = self._before[0]
            if text != self._before[0]:
                self._before = (text, self._monotonic())
            before = from_json(text)
            progress = before and (before.phase, before.wanted, before.content)
            if progress != self._progress[0]:
                self._progress = (progress, self._monotonic())
        silent, still = (
            self._monotonic() - max(self._seen, at) for at in (self._before[1], self._progress[1])
        )
        found = turn(replica, content.before, before, silent=silent, still=still)
        if found.now == "Take":
            return None
        self._state.tell("Waiting", found.why)
        return ASK_EVERY if found.now == "Wait" else RETRY

    def _left(self, content: Content) -> float:
        """Seconds until what was refused is tried again."""
        *refused, at = self._refused
        is_same = refused == [content.digest, self._secrets]
        return at + AGAIN - self._monotonic() if is_same else 0.0

    async def _take(self, content: Content, files: Mapping[str, str], *, reload: bool) -> None:
        if self._state.phase != "Applying":
            # What it says of why it does not get further stays: it is tried each second.
            self._state.tell("Applying", "")
        secrets = self._secrets
        try:
            await self._applier.apply(
                files, policy_hash=content.policy.hash, digest=content.digest, reload=reload
            )
        except RejectedError as error:
            logger.error("refused", extra={"content": content.digest, "cause": str(error)})
            self._refused = (content.digest, secrets, self._monotonic())
            await self._tell(self._applier.folder.mark)
            self._state.tell("Rejected", str(error))
            return
        self._taken_secrets = secrets
        logger.info("taken", extra={"content": content.digest, "policy": content.policy.hash})
        await self._tell(content.digest)
        await self._prove(content, files)

    async def _tell(self, digest: str) -> None:
        """What the process itself says to have in force."""
        process = self._applier.process
        self._worker = await process.process()
        told = await process.variable(HASH_VARIABLE)
        self._state.take(digest, told, await thresholds(process))

    async def _prove(self, content: Content, files: Mapping[str, str]) -> None:
        """Prove, and once more before it is told that the limits are others than they must be."""
        proof = await self._proof(content, files)
        if not proof.passed:
            logger.info("not proven at once", extra={"detail": proof.detail})
            await asyncio.sleep(SETTLED)
            proof = await self._proof(content, files)
        log = logger.info if proof.passed else logger.error
        log("proven" if proof.passed else "not proven", extra={"detail": proof.detail})
        self._state.prove(proof)
        self._state.tell("Applied", "")

    async def _proof(self, content: Content, files: Mapping[str, str]) -> Proof:
        listener, source = self._settings.probe, self._source
        return await prove(self._applier, content, files, listener=listener, source=source, now=self._now)

    async def _files(self, content: Content) -> dict[str, str]:
        """The files with their places; those known last, where a name does not resolve now."""
        settings = self._settings
        try:
            found = await places.find(content.files, instance=settings.instance, namespace=settings.namespace)
        except PlaceError:
            if self._places is None or self._applier.folder.mark != content.digest:
                raise
            found = self._places
        self._places = found
        return places.filled(content.files, found)

    def _stale(self, files: Mapping[str, str]) -> bool:
        """Whether the disk has other files: a place is another one now, or somebody changed them."""
        return self._applier.folder.read(files) != files

    def _is_due(self, content: Content) -> bool:
        """Whether it is time for a proof."""
        proof = self._state.proof
        if proof is None or proof.content != content.digest:
            return True
        every = self._settings.prove_every if proof.passed else min(PROVE_AGAIN, self._settings.prove_every)
        return self._now() - proof.at >= every - timedelta(seconds=1)

    async def _is_another(self) -> bool:
        """Whether another worker runs than the one that was told of."""
        worker = await self._applier.process.process()
        if worker.is_other(self._worker):
            return True
        self._worker = worker
        return False


def secrets_mark(folders: tuple[Path, ...], *, before: str = "") -> str:
    """What changes with the files of mounted Secrets; nothing of what is in them can be told from it.

    While they are being exchanged a file may be gone: then it is what it was `before`.
    """
    try:
        found = {
            str(file): [file.stat().st_mtime_ns, file.stat().st_size]
            for folder in folders
            for file in sorted(folder.glob("[!.]*"))
            if file.is_file()
        }
    except OSError:
        return before
    return digest({name: [*told] for name, told in found.items()})
