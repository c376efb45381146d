"""A folder of runs that one may only read: one plain sentence, and everything that can be read stays usable."""

import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from core.base.paths import PROJECT
from core.jobs.worker import Worker
from core.runs.store import RunStore
from core.study.store import StudyStore
from core.study.study import Axis, Study
from tests.conftest import wait_for
from tests.made import made_run, made_weights, tiny_config
from tests.programs import Program

pytestmark = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root, to become somebody else"
)

#: Become a user who owns nothing, once everything is imported that the folders of root hold; then run commands.
COMMANDS = """
import contextlib, io, json, os, sys
import core.cli.main, core.runs.backup, core.runs.storage, core.runs.transfer, core.study.findings, filelock
os.setgroups([]); os.setgid(65534); os.setuid(65534)
answers = []
for words in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO())) as out:
        with contextlib.redirect_stderr(io.TextIOWrapper(io.BytesIO())) as err:
            code = core.cli.main.main(words)
    answers.append((code, out.buffer.getvalue().decode(), err.buffer.getvalue().decode()))
print(json.dumps(answers))
"""
PAGES = """
import os, sys, time
import core.figures, core.images.classify, core.jobs.runner, core.jobs.worker, importlib.readers
from streamlit.testing.v1 import AppTest
os.setgroups([]); os.setgid(65534); os.setuid(65534)
worker = core.jobs.worker.ensure_worker()
while worker.read_only is None:
    time.sleep(0.1)
    assert worker.trouble is None, worker.trouble
app = AppTest.from_file(sys.argv[1], default_timeout=120).run()
print("warnings", *[warning.value for warning in app.warning], sep="|")
for page in ("home", "run", "compare", "studies", "leaderboard", "new_run", "classify"):
    app.switch_page(f"pages/{page}.py").run()
    print(page, *[error.value for error in (*app.exception, *app.error)], sep="|", flush=True)
os._exit(0)  # it may not delete root's temporary files
"""


@pytest.fixture
def store() -> Iterator[RunStore]:
    """A store that others can reach; pytest closes its own folders to them."""
    folder = Path(tempfile.mkdtemp(prefix="resnet-lab-test-"))
    folder.chmod(0o755)
    yield RunStore(folder / "runs")
    shutil.rmtree(folder)


@pytest.fixture
def runs(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two finished runs and a waiting one, in a folder that everybody else may only read."""
    ids = [made_run(store, name="one"), made_run(store, name="two", config=tiny_config())]
    for run_id in ids:
        made_weights(store, run_id)
    ids.append(made_run(store, name="waiting", state="queued", epochs=0))
    StudyStore(store).create(Study("rates", tiny_config(), (Axis("train.lr", (0.1, 0.2)),), (0,)))
    for path in (store.root, *store.root.rglob("*")):
        path.chmod(stat.S_IMODE(path.stat().st_mode) & ~0o022 | (0o055 if path.is_dir() else 0o044))
    monkeypatch.setenv("RESNET_LAB_RUNS", str(store.root))
    return ids


def as_nobody(*commands: list[str]) -> list[tuple[int, str, str]]:
    """Exit code, stdout and stderr of each command."""
    program = Program(json.dumps(commands), code=COMMANDS)
    assert program.wait() == 0, program.err
    return [tuple(answer) for answer in json.loads(program.out)]


def test_what_can_be_read_is_read_and_the_rest_is_one_sentence(store: RunStore, runs: list[str]) -> None:
    before = sorted(store.root.rglob("*"))
    reading = (["list"], ["show", "one"], ["study", "list"], ["study", "status", "rates"], ["restore"], ["storage"])
    for words, (code, out, err) in zip(reading, as_nobody(*reading), strict=True):
        assert (code, err) == (0, ""), words
        assert out.strip()
    closed = store.root.parent / "closed"
    closed.mkdir(mode=0o700)
    writing = (
        ["trash", "one"],
        ["stop", "waiting"],
        ["train", "--preset", "quick", "--queue"],
        ["list", "--runs", str(closed / "runs")],
        ["export", "one", "--to", str(closed / "a.zip")],
        ["backup", str(closed / "b")],
    )
    for words, (code, _, err) in zip(writing, as_nobody(*writing), strict=True):
        assert code == 1 and "Traceback" not in err, words
        assert ("ermi" in err or "only be read" in err) and len(err.strip().splitlines()) == 1
    assert sorted(store.root.rglob("*")) == before


def test_a_run_that_somebody_else_trains_is_not_taken_for_dead(store: RunStore, runs: list[str]) -> None:
    run = store.run(runs[2])
    with run.hold():
        (run.path / ".lock").chmod(0o644)
        run.write_status(replace(run.stored_status(), state="running"))
        assert "running" in as_nobody(["list"])[0][1]
    assert "interrupted" in as_nobody(["list"])[0][1]


@pytest.mark.slow
def test_every_page_opens_with_one_sentence(store: RunStore, runs: list[str]) -> None:
    program = Program(PROJECT / "app.py", code=PAGES)
    program.wait()
    lines = [line.split("|") for line in program.out.splitlines()]
    assert len(lines) == 8, program.err[-2_000:]
    warnings, *pages = lines
    (sentence,) = (text for text in warnings[1:] if str(store.root) in text)
    assert "read" in sentence and "Errno" not in sentence
    assert not [page for page in pages if len(page) > 1 and page[0] != "classify"], program.err[-3_000:]


def test_the_worker_says_it_once_and_works_when_it_may(
    store: RunStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    allowed = False
    lock = store.queue.lock

    @contextmanager
    def acquire() -> Iterator[None]:
        if not allowed:
            raise PermissionError(13, "Permission denied", str(store.root / ".queue.lock"))
        with lock().acquire(timeout=0):
            yield

    class Lock:
        def acquire(self, timeout: float) -> object:
            return acquire()

    monkeypatch.setattr(store.queue, "lock", Lock)
    monkeypatch.setattr("core.jobs.worker.POLL_SECONDS", 0.01)
    worker = Worker(store)
    worker.start()
    wait_for(lambda: worker.read_only)
    assert worker.trouble is None and str(store.root) in str(worker.read_only)
    allowed = True
    wait_for(lambda: worker.read_only is None)
    worker.stop()
    err = capsys.readouterr().err
    assert err.count(str(store.root)) == 1 and "Traceback" not in err
