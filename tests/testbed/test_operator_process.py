"""The operator under test runs as in its image."""

import re

from testbed.home import CHECKOUT
from testbed.operator_process import IMAGE_ENVIRONMENT

ELSEWHERE = {"PATH", "PYTHONDONTWRITEBYTECODE"}


def test_the_operator_under_test_has_the_environment_of_the_image() -> None:
    final = (CHECKOUT / "Dockerfile").read_text().rpartition("\nFROM ")[2]
    instruction = re.search(r"^ENV ((?:.*\\\n)*.*)$", final, re.MULTILINE)
    assert instruction is not None
    told = dict(re.findall(r"(\w+)=(\S+)", instruction[1]))
    assert told.keys() >= ELSEWHERE
    assert {name: value for name, value in told.items() if name not in ELSEWHERE} == IMAGE_ENVIRONMENT
