"""Whatever policy and site: HAProxy takes the configuration, and a warning is an error."""

from pathlib import Path
from random import Random

import pytest

from dedicated.parts.limiter.configuration import CONFIGURATION, SERVER_STATE, render
from dedicated.parts.limiter.site import NEAR, Directories
from limiter.certificate import self_made
from limiter.generated import policy, site
from limiter.haproxy import check

EACH = 25


@pytest.mark.parametrize("seed", range(8))
def test_haproxy_takes_every_configuration(seed: int, tmp_path: Path) -> None:
    chance = Random(seed)
    place = str(tmp_path)
    for name, content in self_made().items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / SERVER_STATE).write_text("1\n")
    for number in range(EACH):
        made, where = policy(chance), site(chance, Directories(place, place, place, place))
        for name, text in render(made, where, chance.randrange(where.replicas)).items():
            (tmp_path / name).write_text(text.replace(NEAR, "10.0.0.0/8"))
        checked = check(tmp_path / CONFIGURATION)
        assert checked.returncode == 0, f"seed {seed}, number {number}: {checked.stderr}"
