"""The browser's plotly.min.js is complete, written once, and renewed when it changes."""

from pathlib import Path

import pytest

from core import plotly_js
from core.base.errors import StoreError
from core.server import publish_plotly


def test_publishes_a_file_and_no_link(tmp_path: Path) -> None:
    copy = publish_plotly(tmp_path)
    assert copy == tmp_path / "static" / "plotly.min.js"
    assert not copy.is_symlink()
    assert copy.read_bytes() == plotly_js.bundle()
    assert [one.name for one in copy.parent.iterdir()] == ["plotly.min.js"]


def test_leaves_a_whole_copy_alone(tmp_path: Path) -> None:
    before = publish_plotly(tmp_path).stat()
    after = publish_plotly(tmp_path).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_replaces_half_a_copy(tmp_path: Path) -> None:
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "plotly.min.js").write_text("half")
    assert publish_plotly(tmp_path).stat().st_size == len(plotly_js.bundle())


def test_says_in_a_sentence_why_it_cannot(tmp_path: Path) -> None:
    (tmp_path / "static").write_text("a file where the folder should be")
    with pytest.raises(StoreError, match=r"plotly\.min\.js could not be written in static"):
        publish_plotly(tmp_path)
