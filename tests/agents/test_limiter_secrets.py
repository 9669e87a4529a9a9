"""Whether mounted Secrets changed, also while the kubelet exchanges them."""

from pathlib import Path

import pytest

from dedicated.agents.limiter.work import secrets_mark


def test_a_mark_changes_with_the_files_and_with_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "tls.crt").write_bytes(b"one")
    mark = secrets_mark((tmp_path, tmp_path / "none"))
    (tmp_path / "..data").mkdir()
    assert secrets_mark((tmp_path, tmp_path / "none")) == mark
    (tmp_path / "tls.crt").write_bytes(b"other")
    assert secrets_mark((tmp_path, tmp_path / "none")) != mark


def test_a_file_that_goes_while_it_is_looked_at_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").symlink_to(tmp_path / "..data")
    monkeypatch.setattr(Path, "is_file", lambda _: True)
    assert secrets_mark((tmp_path,), before="as it was") == "as it was"
