"""Fault switches: what is accepted, what befalls a request, and how the file is followed."""

import json
import os
from pathlib import Path

import pytest

from fakezitadel import faults
from fakezitadel.faults import Faults, HttpFault


def test_unknown_switches_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no such fault switch: db\.gone"):
        Faults(text='{"db.gone": true}')
    (tmp_path / "f").write_text('{"db.gone": true}')
    with pytest.raises(ValueError, match=r"no such fault switch: db\.gone"):
        Faults(file=str(tmp_path / "f"))
    with pytest.raises(ValueError, match="JSON object"):
        Faults(text="[]")
    with pytest.raises(ValueError, match=r"no such fault switch: db\.gone"):
        Faults().get("db.gone")


def test_requests() -> None:
    text = json.dumps(
        {
            "http.fail": {"paths": ["/v2/*"], "rate": 0.5, "status": 503},
            "http.latency": {"paths": ["/v2/*", "/slow"], "ms": 250},
            "http.noAnswer": {"paths": ["/lost"]},
        }
    )
    switches = Faults(text=text)
    assert switches.http("/v2/settings", draw=0.4) == HttpFault(0.25, 503)
    assert switches.http("/v2/settings", draw=0.5) == HttpFault(0.25)
    assert switches.http("/slow", draw=0.0) == HttpFault(0.25)
    assert switches.http("/lost", draw=0.0) == HttpFault(silent=True)
    assert switches.http("/v2", draw=0.0) == HttpFault()


def test_the_file_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "REREAD_SECONDS", 0.0)
    file = tmp_path / "faults.json"
    switches = Faults(text='{"db.lost": true}', file=str(file))
    seen = [switches.get("db.lost")]
    contents = ['{"start.crashAfter": 3}', '{"start.cra', '{"auth.rejectAll": true}']
    for number, content in enumerate(contents):
        file.write_text(content)
        os.utime(file, ns=(number, number))
        seen += [switches.seconds("start.crashAfter"), switches.get("auth.rejectAll")]
    file.unlink()
    seen += [switches.get("auth.rejectAll"), switches.get("db.lost")]
    # Half a file changes nothing; without the file the environment speaks.
    assert seen == [True, 3.0, None, 3.0, None, 0.0, True, None, True]
