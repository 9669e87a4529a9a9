"""Asks each measured instance once a minute for a session and a token, in its own place of the minute; after
a failure as often as the public name is read.

What it needs is read once: the operator's key pair of the instance, and the id of the probe client's key.
Tokens are signed for an hour. All of it is forgotten when the instance does not take us any more: a key pair
may have been made anew, or a database restored.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

import aiohttp

from dedicated.api.json import Manifest
from dedicated.api.objects import SECRET, Key, Kind
from dedicated.api.probing import Sample
from dedicated.cluster.errors import ApiError
from dedicated.controllers.prober import Prober
from dedicated.controllers.secrets_reader import decoded
from dedicated.parts import keys
from dedicated.parts.config import OPERATOR_USER
from dedicated.probes import tokens, writing
from dedicated.probes.service import Check, NoAnswerError, Reading, Target

READINGS = 6
"""Readings of the public name to one round: each round writes events in ZITADEL."""
RENEWED = timedelta(minutes=5)
"""So long before its end a token is signed anew."""

MAIL_KNOWN = timedelta(hours=1)
"""A mail provider that was found is looked for again so much later; one that was not, in each round."""

logger = logging.getLogger(__name__)


class Getter(Protocol):
    """The part of `cluster.client.Client` that is needed here."""

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest:
        """The object."""


@dataclass(slots=True)
class _Credentials:
    """What we are to one instance."""

    private_pem: bytes
    public_pem: bytes
    key_id: str = ""
    signed: dict[str, tuple[str, datetime]] = field(default_factory=dict)


@dataclass(slots=True)
class _Mail:
    """Whether a mail provider was active, and before when that is not asked again."""

    active: bool | None = None
    good_until: datetime | None = None


class Writes:
    """`measure` is told of every sample, `wake` of a mail provider that came or went; `reading_interval` in
    seconds. Ended by `close`.

    Samples have the time of `now`, the contract's; tokens that of `wall`, by which ZITADEL judges them.
    """

    def __init__(
        self,
        *,
        client: Getter,
        session: aiohttp.ClientSession,
        measure: Callable[[Key, Sample], None],
        wake: Callable[[Key], None],
        now: Callable[[], datetime],
        wall: Callable[[], datetime],
        reading_interval: float,
    ) -> None:
        self._client = client
        self._session = session
        self._measure = measure
        self._wake = wake
        self._now = now
        self._wall = wall
        self._credentials: dict[Key, _Credentials] = {}
        self._mail: dict[Key, _Mail] = {}
        self._prober = Prober(
            read=self._read,
            on_reading=self._heard,
            interval=READINGS * reading_interval,
            fast=reading_interval,
            anxious=float("inf"),
            at_once=False,
        )

    def ask(self, key: Key, domain: str | None, *, mail: bool = False) -> None:
        """Ask this name from now on, or none; of `mail` too, or no more. Idempotent and cheap."""
        if domain is None:
            self.forget(key)
            return
        if mail:
            self._mail.setdefault(key, _Mail())
        else:
            self._mail.pop(key, None)
        self._prober.watch(key, Target(domain))

    def mail(self, key: Key) -> bool | None:
        """Whether a mail provider was active when it was looked for last; None: not known."""
        known = self._mail.get(key)
        return None if known is None else known.active

    def forget(self, key: Key) -> None:
        """The instance is gone, or not asked any more."""
        self._prober.unwatch(key)
        self._credentials.pop(key, None)
        self._mail.pop(key, None)

    async def close(self) -> None:
        """End all rounds."""
        await self._prober.close()

    def _heard(self, key: Key, reading: Reading) -> None:
        if reading.sample is not None and reading.sample.outcomes:
            self._measure(key, reading.sample)

    async def _read(self, key: Key, target: Target) -> Reading:
        at = self._now().replace(microsecond=0)
        try:
            known = self._credentials.get(key) or await self._learn(key)
            system = await self._token(known, OPERATOR_USER, target)
            assertion = await self._assertion(known, system, target, key)
        except (ApiError, ValueError) as error:
            logger.info("%s: cannot ask for a session: %s", key, error)
            return Reading(at, ())
        done = await writing.session_and_token(
            target, system=system, assertion=assertion, session=self._session, at=at
        )
        if done.refused:
            self._credentials.pop(key, None)
        else:
            await self._look_for_mail(key, target, system)
        checks = (
            Check(source, ok=outcome == "Good", seconds=0.0, detail=done.sample.details.get(source, ""))
            for source, outcome in done.sample.outcomes.items()
        )
        return Reading(at, tuple(checks), done.sample)

    async def _look_for_mail(self, key: Key, target: Target, system: str) -> None:
        known, now = self._mail.get(key), self._wall()
        if known is None or (known.good_until is not None and now < known.good_until):
            return
        try:
            active = await writing.has_mail(target, system=system, session=self._session)
        except (NoAnswerError, writing.RefusedError) as error:
            logger.info("%s: cannot see whether a mail provider is active: %s", key, error)
            return
        known.good_until = now + MAIL_KNOWN if active else None
        if active != known.active:
            known.active = active
            self._wake(key)

    async def _learn(self, key: Key) -> _Credentials:
        data = decoded(await self._client.get(SECRET, key.namespace, f"{key.name}-{keys.OPERATOR_KEY}"))
        known = _Credentials(data.get("private.pem", b""), data.get("public.pem", b""))
        self._credentials[key] = known
        return known

    async def _assertion(self, known: _Credentials, system: str, target: Target, key: Key) -> str | None:
        """What the probe client proves itself with; None where there is none and none can be made."""
        try:
            known.key_id = known.key_id or await writing.probe_client(
                target, system=system, public_pem=known.public_pem, session=self._session
            )
        except (NoAnswerError, writing.RefusedError) as error:
            logger.info("%s: no probe client, tokens are not measured: %s", key, error)
        return await self._token(known, writing.CLIENT, target) if known.key_id else None

    async def _token(self, known: _Credentials, subject: str, target: Target) -> str:
        token, until = known.signed.get(subject, ("", self._wall()))
        now = self._wall()
        if now >= until - RENEWED or until > now + tokens.LIFETIME:
            sign = partial(
                tokens.signed,
                subject=subject,
                audience=target.origin,
                private_pem=known.private_pem,
                now=now,
                key_id=known.key_id if subject == writing.CLIENT else "",
            )
            token, until = await asyncio.to_thread(sign), now + tokens.LIFETIME
            known.signed[subject] = (token, until)
        return token
