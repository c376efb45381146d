"""Run the command line and the app side by side: each sees and stops the other's run, and neither starts it twice."""

import json
import os
from collections.abc import Callable
from typing import Any

from core.jobs.runner import run
from core.runs.store import RunStore
from core.study.store import StudyStore
from core.study.study import Study, axis
from tests.conftest import Server, wait_for
from tests.faults.app import assert_names
from tests.faults.operations import tiny
from tests.programs import Program


def core(store: RunStore, *words: str) -> Program:
    """Start a command in a process of its own."""
    return Program(*words, "--runs", store.root)


def status(store: RunStore, run_id: str) -> dict[str, Any]:
    program = core(store, "show", run_id, "--json")
    assert program.wait() == 0
    shown: dict[str, Any] = json.loads(program.out)["status"]
    return shown


def test_the_command_line_sees_and_stops_the_apps_run_but_cannot_take_it(
    serve: Callable[..., Server], store: RunStore
) -> None:
    run_id = store.create(tiny("train.epochs=2000"))
    serve()
    wait_for(lambda: len(store.run(run_id).records()) >= 2)
    first = status(store, run_id)
    assert first["state"] == "running" and first["pid"] != os.getpid()
    resumed = core(store, "resume", run_id)
    assert resumed.wait() == 1
    assert_names(resumed.err, run_id, "another process")
    assert core(store, "trash", run_id).wait() == 1
    assert core(store, "resume", run_id, "--queue").wait() == 1
    assert status(store, run_id)["epoch"] > first["epoch"], "training goes on"
    assert core(store, "stop", run_id).wait() == 0
    wait_for(lambda: store.run(run_id).status().state == "stopped")
    assert store.run(run_id).log().count("Training from epoch") == 1
    epochs = [record.epoch for record in store.run(run_id).records()]
    assert epochs == list(range(1, len(epochs) + 1))


def test_the_app_sees_and_stops_the_command_lines_run_but_cannot_take_it(
    serve: Callable[..., Server], store: RunStore
) -> None:
    serve()
    path = store.root / "given.json"
    path.write_text(json.dumps(tiny("train.epochs=2000").to_dict()))
    with core(store, "train", "--config", str(path)) as program:
        wait_for(lambda: store.ids() and len(store.run(store.ids()[0]).records()) >= 2)
        (run_id,) = store.ids()
        assert store.run(run_id).status().pid == program.pid
        queued = store.create(tiny())  # the app is free: it trains the queued run, not the one held elsewhere
        wait_for(lambda: store.run(queued).status().state == "finished")
        assert store.run(run_id).status().state == "running"
        assert store.frame().set_index("id").loc[run_id, "state"] == "running"
        store.queue.request_stop(run_id)
        assert program.wait() == 1 and f"Run {run_id} was stopped" in program.err
    assert store.run(run_id).status().state == "stopped" and store.run(run_id).log().count("Training from epoch") == 1
    store.trash.put(run_id)


def test_a_run_cannot_be_started_by_two_programs_at_once(store: RunStore) -> None:
    """Both start at the same time: one trains the run, the other fails because it is held or finished."""
    run_id = store.create(tiny())
    programs = [core(store, "resume", run_id) for _ in range(2)]
    assert sorted(program.wait() for program in programs) == [0, 1], [program.err for program in programs]
    assert store.run(run_id).log().count("Training from epoch") == 1
    straight = store.create(tiny())
    run(store, straight)
    ours, theirs = store.run(run_id).records(), store.run(straight).records()
    assert [record.val_loss for record in ours] == [record.val_loss for record in theirs]


def test_two_programs_that_run_one_study_train_each_run_once(store: RunStore) -> None:
    study_id = StudyStore(store).create(Study("seeds", tiny(), (axis("train.lr", [0.1, 0.2]),), (0,)))
    programs = [core(store, "study", "run", study_id) for _ in range(2)]
    assert 0 in [program.wait() for program in programs], [program.err for program in programs]
    assert [run.state for run in store.summaries()] == ["finished", "finished"]
    assert all(store.run(run_id).log().count("Training from epoch") == 1 for run_id in store.ids())
