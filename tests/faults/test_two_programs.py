"""The command line beside the app: each sees what the other trains, can ask it to stop, and cannot start it twice."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from core.base.paths import PROJECT
from core.jobs.runner import run
from core.runs.store import RunStore
from tests.conftest import Server, wait_for
from tests.faults.operations import tiny


def core(store: RunStore, *words: str) -> subprocess.CompletedProcess[str]:
    """A command in a program of its own."""
    command = [sys.executable, "-m", "core", *words, "--runs", str(store.root)]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)


def status(store: RunStore, run_id: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(core(store, "show", run_id, "--json").stdout)["status"]
    return found


def test_what_the_app_trains_the_command_line_sees_stops_and_cannot_take(
    serve: Callable[..., Server], store: RunStore
) -> None:
    run_id = store.create(tiny("train.epochs=2000"))
    serve()
    wait_for(lambda: len(store.run(run_id).records()) >= 2, 120)
    first = status(store, run_id)
    assert first["state"] == "running" and first["pid"] != os.getpid()
    resumed = core(store, "resume", run_id)
    assert resumed.returncode == 1 and f"Another process is working on run {run_id}" in resumed.stderr
    assert core(store, "trash", run_id).returncode == 1
    assert core(store, "resume", run_id, "--queue").returncode == 1
    assert status(store, run_id)["epoch"] > first["epoch"], "it is seen to go on"
    assert core(store, "stop", run_id).returncode == 0
    wait_for(lambda: store.run(run_id).status().state == "stopped", 60)
    assert store.run(run_id).log().count("Training from epoch") == 1
    epochs = [one.epoch for one in store.run(run_id).records()]
    assert epochs == list(range(1, len(epochs) + 1))


def test_what_the_command_line_trains_the_app_sees_stops_and_cannot_take(
    serve: Callable[..., Server], store: RunStore
) -> None:
    serve()
    path = store.root / "given.json"
    path.write_text(json.dumps(tiny("train.epochs=2000").to_dict()))
    words = [sys.executable, "-m", "core", "train", "--config", str(path), "--runs", str(store.root)]
    with subprocess.Popen(words, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        wait_for(lambda: store.ids() and len(store.run(store.ids()[0]).records()) >= 2, 120)
        (run_id,) = store.ids()
        assert store.run(run_id).status().pid == program.pid
        behind = store.create(tiny())  # the app is free and trains what waits, not what the other holds
        wait_for(lambda: store.run(behind).status().state == "finished", 120)
        assert (
            store.run(run_id).status().state == "running"
            and store.frame().set_index("id").loc[run_id, "state"] == "running"
        )
        store.queue.request_stop(run_id)
        _, said = program.communicate(timeout=60)
    assert program.returncode == 1 and f"Run {run_id} was stopped after" in said
    assert store.run(run_id).status().state == "stopped" and store.run(run_id).log().count("Training from epoch") == 1
    store.trash.put(run_id)


def test_a_run_cannot_be_started_by_two_programs_at_once(store: RunStore) -> None:
    """Let go at the same time: one trains it, the other is told so or finds it finished."""
    run_id = store.create(tiny())
    words = [sys.executable, "-m", "core", "resume", run_id, "--runs", str(store.root)]
    programs = [subprocess.Popen(words, cwd=PROJECT, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [one.communicate(timeout=120)[1] for one in programs]
    codes = sorted(one.returncode for one in programs)
    assert codes == [0, 1], said
    assert store.run(run_id).log().count("Training from epoch") == 1
    straight = store.create(tiny())
    run(store, straight)
    ours, theirs = store.run(run_id).records(), store.run(straight).records()
    assert [one.val_loss for one in ours] == [one.val_loss for one in theirs]
