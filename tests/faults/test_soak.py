"""Train for very many epochs: memory, threads and open files must not grow."""

import json
from pathlib import Path

import pytest

from core.runs.store import RunStore
from tests.faults.operations import tiny
from tests.programs import Program

PROGRAM = """
import json, os, sys, threading
from pathlib import Path
from core.jobs.runner import run
from core.runs.store import RunStore

store, run_id, often = RunStore(sys.argv[1]), sys.argv[2], int(sys.argv[3])
def sample(record):
    if record.epoch % often == 0:
        status = Path("/proc/self/status").read_text().split()
        print(json.dumps({
            "epoch": record.epoch, "kB": int(status[status.index("VmRSS:") + 1]),
            "threads": int(status[status.index("Threads:") + 1]), "files": len(os.listdir("/proc/self/fd")),
            "state": store.run(run_id).last_state().stat().st_size,
        }), flush=True)
        store.metrics(run_id), store.frame()  # as a page does
sys.exit(run(store, run_id, on_epoch=sample).state != "finished")
"""


@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("epochs", [150, pytest.param(2_000, marks=pytest.mark.slow)])
def test_many_epochs_need_no_more_than_few(epochs: int, store: RunStore, record_property) -> None:
    """Compare the end with a third of the way, when everything that is made once has been made."""
    small = ("data.classes=cat,dog", "data.train_size=50", "data.validation_size=20", "data.test_size=20")
    config = tiny(*small, f"train.epochs={epochs}", "train.batch_size=30", "train.schedule=constant")
    run_id = store.create(config)
    program = Program(store.root, run_id, epochs // 15, code=PROGRAM)
    assert program.wait(1_500) == 0, program.err
    samples = [json.loads(line) for line in program.out.splitlines()]
    settled, last = samples[4], samples[-1]
    assert last["epoch"] == epochs // 15 * 15 and len(store.run(run_id).records()) == epochs
    assert last["threads"] == settled["threads"] and last["files"] == settled["files"]
    # An epoch's record takes about 2 kB of memory, twice: in the trainer and in the reader of the table.
    assert last["kB"] - settled["kB"] < 20_000 + 10 * (last["epoch"] - settled["epoch"])
    # The history in last.pt grows by an epoch's record, not by anything as large as the network.
    assert (last["state"] - samples[0]["state"]) / (last["epoch"] - samples[0]["epoch"]) < 1_000
    assert not list(Path(store.run(run_id).path).glob("*.tmp")) and not list(store.run(run_id).path.glob(".*.tmp"))
    for name in ("epoch", "kB", "threads", "files", "state"):
        record_property(f"soak {name}", f"{settled[name]} → {last[name]}")
