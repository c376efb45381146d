"""Flip single bits in every file of real runs: each is noticed when the file is used, with a sentence and a way on."""

from collections.abc import Callable
from pathlib import Path

from benchmarks.bit_flips import WAYS, flips, make_runs, messages
from core.runs.store import RunStore

FLIPS = 60


def test_every_flipped_bit_is_noticed(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    store = RunStore(tmp_path / "runs")
    run_ids = make_runs(store)
    assert [messages(store.root, run_id) for run_id in run_ids] == [[], []]
    done = list(flips(store.root, run_ids, FLIPS, seed=1))
    assert [(flip.path.name, flip.bit) for flip in done if not flip.noticed] == []
    assert all("resnet-lab check" in text for flip in done for text in flip.said)
    assert {flip.path.name for flip in done} >= {
        "last.pt",
        "previous.pt",
        "best.safetensors",
        "predictions.safetensors",
    }
    assert len(done) == len(WAYS) * FLIPS
    assert [messages(store.root, run_id) for run_id in run_ids] == [[], []]
    record_property("faults injected", len(done))
