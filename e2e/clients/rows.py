"""One request: a line of JSON, written as soon as its end is known."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal, get_args

Kind = Literal["login", "token", "write", "page", "call"]
"""`login`: page, form and session as a browser does it. `token`: an access token for a signed assertion.
`write`: an API call whose event holds a unique token. `page`, `call`: a plain request that the limiter counts
as of the user interface, and as of the API."""
Outcome = Literal["ok", "refused", "failed"]
"""`refused`: the limiter's 429. `failed`: no answer in time, a broken connection, or any other answer."""
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Row:
    """A request: when it was sent (seconds since 1970), how long it took, and what became of it."""

    at: float
    kind: Kind
    outcome: Outcome
    seconds: float
    status: int = 0
    """Of the answer that decided; 0: there was none."""
    detail: str = ""
    """Why it failed, in words."""
    token: str = ""
    """Of a write: what its event holds."""
    source: str = ""
    """The client's address, where one was chosen."""

    @property
    def end(self) -> float:
        """When the answer was there, or given up."""
        return self.at + self.seconds


def line(row: Row) -> str:
    """The row as a line, without its end."""
    return json.dumps({name: value for name, value in asdict(row).items() if value != ""})


def read(lines: Iterable[str]) -> list[Row]:
    """The rows of a log by the time of their sending; what a killed process left of a line is left out."""
    return sorted((Row(**json.loads(text)) for text in lines if text.endswith("\n")), key=lambda row: row.at)
