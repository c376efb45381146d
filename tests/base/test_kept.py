"""What a tab has not finished is kept for a day, found by its id alone, and never in the way."""

import os
import time

import pytest

from core.base.kept import KEPT_FOR, Kept


@pytest.fixture
def kept(tmp_path):
    return Kept(tmp_path / "kept")


def test_content_is_found_by_its_id_and_replaced_under_it(kept):
    first, second = kept.save({"a": 1}), kept.save({"b": [2, "é"]})
    assert first != second and len(first) == 32
    assert (kept.load(first), kept.load(second)) == ({"a": 1}, {"b": [2, "é"]})
    assert kept.save({"a": 3}, first) == first
    assert kept.load(first) == {"a": 3}


@pytest.mark.parametrize("kept_id", ["", "../x", "0" * 31, "0" * 32, "G" * 32, "/etc/passwd", "0" * 32 + "/.."])
def test_another_id_finds_nothing(kept, kept_id):
    kept.save({"a": 1})
    assert kept.load(kept_id) == {}
    assert kept.file(kept_id) is None
    assert not kept.touch(kept_id)


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", '{"a": NaN'])
def test_damaged_content_is_no_content(kept, text):
    kept_id = kept.save({"a": 1})
    (kept.folder / f"{kept_id}.json").write_text(text)
    assert kept.load(kept_id) == {}


def test_equal_files_are_kept_once_and_damaged_ones_not_returned(kept):
    name = kept.save_file(b"pixels")
    assert kept.save_file(b"pixels") == name
    assert kept.file(name) == b"pixels"
    (kept.folder / name).write_bytes(b"other")
    assert kept.file(name) is None


def test_after_a_day_without_use_everything_goes_and_what_was_used_stays(kept):
    old, used = kept.save({"old": 1}), kept.save({"used": 1})
    files = [kept.save_file(content) for content in (b"old", b"used")]
    for path in kept.folder.iterdir():
        os.utime(path, (0, time.time() - KEPT_FOR - 60))
    assert kept.load(used) and kept.touch(files[1])
    kept.save({"new": 1})
    assert kept.load(old) == {} and kept.load(used)
    assert [kept.file(name) for name in files] == [None, b"used"]


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path):
    (tmp_path / "kept").write_text("a file where the folder should be")
    kept = Kept(tmp_path / "kept")
    assert kept.save({"a": 1}) == ""
    assert kept.file(kept.save_file(b"x")) is None
    kept.sweep()
