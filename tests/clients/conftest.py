"""An instance that clients reach."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import programs
from served_instance import Place, served_instance


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A serving instance. Skip where a program is missing."""
    try:
        programs.find()
    except LookupError as error:
        pytest.skip(str(error))
    with served_instance(tmp_path) as made:
        yield made
