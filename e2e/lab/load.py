"""Clients that commit one row at a time, and remember what was acknowledged to them, and when."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg

from lab.laboratory import Lab
from lab.server import Server

INSERT = "insert into eventstore.events2 (aggregate_id, sequence, payload) values (%s, %s, %s)"
PAYLOAD = '"' + "x" * 300 + '"'


@dataclass(frozen=True, slots=True, order=True)
class Commit:
    """A commit that a client was told of: when, and its row."""

    at: float
    client: str
    number: int


@dataclass
class Load:
    """The clients' acknowledgements, in no order."""

    lab: Lab
    commits: list[Commit] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def client(self, name: str, pause: float) -> None:
        """One client: reconnects to whatever is the primary, and never repeats a row."""
        number = 0
        while not self.stopped.is_set():
            try:
                with self.lab.primary.connection() as connection:
                    while not self.stopped.is_set():
                        number += 1
                        connection.execute(INSERT, (name, number, PAYLOAD))
                        self.commits.append(Commit(time.time(), name, number))
                        self.stopped.wait(pause)
            except (psycopg.Error, KeyError, OSError):
                self.stopped.wait(0.02)

    def acknowledged(self, *, until: float) -> list[Commit]:
        """What was acknowledged by a time, in the order of time."""
        return sorted(commit for commit in list(self.commits) if commit.at <= until)

    def since(self, moment: float) -> list[Commit]:
        """What was acknowledged after a time, in the order of time."""
        return sorted(commit for commit in list(self.commits) if commit.at > moment)

    def lost(self, server: Server, *, until: float) -> list[Commit]:
        """What was acknowledged by a time and is not in a server, in the order of time."""
        rows = server.ask("select aggregate_id, sequence from eventstore.events2")
        kept = {(str(client), int(str(number))) for client, number in rows}
        return [one for one in self.acknowledged(until=until) if (one.client, one.number) not in kept]


@contextmanager
def load(lab: Lab, *, clients: int = 4, each_second: float = 50) -> Iterator[Load]:
    """Clients at work for the time of the block."""
    found = Load(lab)
    threads = [
        threading.Thread(target=found.client, args=(f"client{number}", 1 / each_second), daemon=True)
        for number in range(clients)
    ]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        found.stopped.set()
        for thread in threads:
            thread.join(10)
