"""Kill the process that drives a search at random moments: the same trials follow as without a kill."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.runs.check import check
from core.runs.store import RunStore
from core.search.store import SearchStore
from core.search.trials import trials_of
from tests.programs import Program
from tests.search_made import settings


def outcome(store: RunStore, search_id: str) -> list[Any]:
    search = SearchStore(store).get(search_id).search
    trials = trials_of(search_id, search, store)
    ends = [(trial.number, trial.state, trial.value, trial.pruned_at) for trial in trials]
    return [*zip(ends, settings(search, trials), strict=True)]


@pytest.mark.parametrize("kills", [4, pytest.param(20, marks=pytest.mark.slow)])
def test_a_search_that_is_killed_goes_on_to_the_same_trials(
    kills: int, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    program = Program(tmp_path, kills, module="tests.faults.search_killed")
    assert program.wait() == 0, program.err
    first, *reports = map(json.loads, program.out.splitlines())
    expected = outcome(RunStore(first["root"]), first["search"])
    assert any(state == "pruned" for (_, state, _, _), _ in expected)
    for report in reports:
        store = RunStore(report["root"])
        assert outcome(store, report["search"]) == expected
        assert [item.problems for item in check(store) if item.problems] == []
    assert sum(report["kills"] for report in reports) >= kills
    record_property("faults injected", sum(report["kills"] for report in reports))
