"""Kill the process that drives a search at random moments: the same trials follow as without a kill."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.base.paths import PROJECT
from core.runs.check import check
from core.runs.store import RunStore
from core.search.search import Search
from core.search.store import SearchStore
from core.search.trials import trials_of
from tests.search_made import driven, made_search, settings, started

#: Drives a search in a process of its own until it ends, after what a server does at its start.
PROGRAM = """
import sys
from core.runs.store import RunStore
from tests.search_made import driven
store = RunStore(sys.argv[1])
store.queue.mark_interrupted()
import core.search.suggest
print("ready", flush=True)
driven(store, sys.argv[2])
"""


def outcome(store: RunStore, search_id: str) -> list[Any]:
    search = SearchStore(store).get(search_id).search
    trials = trials_of(search_id, search, store)
    ends = [(trial.number, trial.state, trial.value, trial.pruned_at) for trial in trials]
    return [*zip(ends, settings(search, trials), strict=True)]


def search_for(pruner: str) -> Search:
    return made_search(trials=12, pruner=pruner)


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_a_search_that_is_killed_goes_on_to_the_same_trials(
    kills: int, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    undisturbed = RunStore(tmp_path / "undisturbed")
    search_id = started(undisturbed, search_for("median"))
    began = time.monotonic()
    driven(undisturbed, search_id)
    duration, rng, done = time.monotonic() - began, random.Random(kills), 0
    expected = outcome(undisturbed, search_id)
    assert any(state == "pruned" for (_, state, _, _), _ in expected)
    number = 0
    while done < kills:
        store = RunStore(tmp_path / str(number))
        number += 1
        search_id = started(store, search_for("median"))
        while SearchStore(store).get(search_id).control.going:
            command = [sys.executable, "-c", PROGRAM, str(store.root), search_id]
            with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
                assert process.stdout and process.stdout.readline() == "ready\n"
                if done < kills:
                    time.sleep(rng.uniform(0.0, 0.5) * duration)
                    os.kill(process.pid, signal.SIGKILL)
            done += process.returncode == -signal.SIGKILL
        assert outcome(store, search_id) == expected
        assert [item.problems for item in check(store) if item.problems] == []
    record_property("faults injected", done)
