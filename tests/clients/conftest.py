"""An instance that clients reach."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import programs
from served_instance import Place, served_instance


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A serving instance. Skip where a program is missing; CI requires them all."""
    try:
        programs.find()
    except LookupError as error:
        if os.environ.get(programs.REQUIRED):
            raise
        pytest.skip(str(error))
    with served_instance(tmp_path) as made:
        yield made
