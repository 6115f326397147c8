from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from graphcost.errors import UsageError
from graphcost.report.save import save


def test_a_file_is_written_and_nothing_beside_it(tmp_path):
    save("µ\n", tmp_path / "report.md")
    assert (tmp_path / "report.md").read_bytes() == "µ\n".encode()
    assert [path.name for path in tmp_path.iterdir()] == ["report.md"]


def test_a_file_is_as_readable_as_any_other(tmp_path):
    (tmp_path / "other").write_text("")
    save("", tmp_path / "report")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert len(modes) == 1


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    save("new", tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    (tmp_path / "report").write_text("old")

    def full(*_args, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(UsageError, match=r"can't write .*report: No space left on device"):
        save("new", tmp_path / "report")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("report", "old")]


@pytest.mark.parametrize("where", ["missing/report", "."])
def test_a_place_that_takes_no_file_is_a_usage_error(tmp_path, where):
    with pytest.raises(UsageError, match="can't write"):
        save("", tmp_path / where)


def test_a_pipe_is_written_to_as_it_is(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    save("text", pipe)
    assert os.read(reader, 10) == b"text"
    os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
