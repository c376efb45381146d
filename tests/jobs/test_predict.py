"""Predictions of real runs: kept at the end, computed later, and equal to what the run recorded."""

from pathlib import Path

import numpy as np
import pytest

from core.base.errors import DataError, LabError, RunBusy, StoreError
from core.data import cifar10
from core.data.split import make_split
from core.jobs import predict, runner
from core.jobs.extend import extend
from core.jobs.predict import predict_all, predictions_of
from core.jobs.runner import run
from core.records import best
from core.runs.folder import BEST, LAST, RunFolder
from core.runs.predictions import PREDICTIONS, Predictions
from core.runs.store import RunStore
from tests.made import change_file, made_run, tiny_config

SHORT = ("data.train_size=300", "model.width=4", "train.epochs=3")
CONSTANT = ("train.schedule=constant", "train.warmup_epochs=0")


def ran(store: RunStore, *settings: str) -> str:
    run_id = store.create(tiny_config(*SHORT, *settings))
    assert run(store, run_id).state == "finished"
    return run_id


def unsteady(store: RunStore) -> str:
    """Return a finished run whose best epoch is not its last; which seed that is depends on the kernels."""
    for seed in range(8):
        run_id = ran(store, *UNSTEADY, f"train.seed={seed}")
        status = store.run(run_id).status()
        if status.best_epoch != status.epoch:
            return run_id
    raise AssertionError("the last epoch is the best with each seed")


def accuracies(store: RunStore, run_id: str) -> dict[tuple[str, int], float]:
    """What the run recorded of the epochs whose predictions are kept, by set and epoch."""
    folder = store.run(run_id)
    records, result = folder.records(), folder.result() or {}
    part = "validation" if folder.config().data.validation == "held-out" else "test"
    recorded = {(part, record.epoch): record.val_accuracy for record in (best(records), records[-1])}
    return recorded | {("test", tested["epoch"]): tested["accuracy"] for tested in result.values()}


def answered(predictions: Predictions) -> dict[tuple[str, int], float]:
    return {(answers.part, answers.epoch): answers.accuracy for answers in predictions.kept}


def same(first: Predictions, second: Predictions) -> bool:
    """Whether two predictions are equal to the last bit; it does not matter when they were made."""
    arrays = ("images", "labels", "logits", "predicted")
    if (first.best_epoch, first.last_epoch) != (second.best_epoch, second.last_epoch):
        return False
    return all(
        (a.part, a.epoch) == (b.part, b.epoch) and all(np.array_equal(getattr(a, of), getattr(b, of)) for of in arrays)
        for a, b in zip(first.kept, second.kept, strict=True)
    )


def forget(store: RunStore, run_id: str) -> None:
    """Make a run one from before there were predictions."""
    (store.run(run_id).path / PREDICTIONS).unlink()
    store.run(run_id).tidy_record(at_work=False)


#: A rate so high that the last epoch is not the best one.
UNSTEADY = (*CONSTANT, "train.lr=0.4")
RECIPES = {
    "held out": UNSTEADY,
    "bf16": (*UNSTEADY, "train.precision=bf16"),
    "averaged": ("train.averaging=ema", "train.averaging_start=2"),
    "on test images": (*UNSTEADY, "data.validation=test"),
    "pooled": (*UNSTEADY, "data.split=pooled"),
    "pair": (*CONSTANT, "data.classes=deer,dog"),
    "stopped early": (*CONSTANT, "train.epochs=9", "train.early_stopping=accuracy", "train.patience=1", "train.lr=0.4"),
}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_accuracies_are_those_that_the_run_recorded(store: RunStore, recipe: tuple[str, ...]) -> None:
    run_id = ran(store, *recipe)
    predictions = store.predictions(run_id)
    assert predictions is not None and not predictions.later
    assert answered(predictions) == accuracies(store, run_id)
    assert store.run(run_id).status().epoch < 9
    assert predictions.classes == store.run(run_id).config().data.classes
    assert store.run(run_id).checksums.problems() == {}
    forget(store, run_id)
    assert store.predictions(run_id) is None
    later = predictions_of(store, run_id)
    assert later.later and same(later, predictions)


def test_images_and_labels_are_those_of_the_split(store: RunStore) -> None:
    run_id = ran(store, "data.classes=deer,dog", "data.split=pooled")
    data, predictions = cifar10.load(), store.predictions(run_id)
    split = make_split(store.run(run_id).config(), data.labels)
    assert predictions is not None
    for part, indices in (("test", split.test), ("validation", split.validation)):
        answers = predictions.answers(part)
        assert answers is not None and (answers.images == indices).all()
        assert (answers.labels == np.where(data.labels[indices] == 4, 0, 1)).all()


def test_a_test_set_chooses_and_tests_once(store: RunStore) -> None:
    run_id = ran(store, *RECIPES["on test images"])
    predictions = store.predictions(run_id)
    assert predictions is not None and {answers.part for answers in predictions.kept} == {"test"}
    assert store.run(run_id).result() is None


def test_no_image_is_evaluated_twice_by_one_network(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the end: the test set once per network, and the validation set by the best network only."""
    evaluated, real = [], predict.predict

    def counting(model, images, *rest):
        evaluated.append(len(images))
        return real(model, images, *rest)

    monkeypatch.setattr(predict, "predict", counting)
    unsteady(store)
    assert evaluated[-3:] == [200, 200, 100]


def test_predictions_are_kept_before_the_result_and_the_end(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id, seen = store.create(tiny_config(*SHORT)), []
    real = RunFolder.write_predictions

    def write(self: RunFolder, content: bytes) -> None:
        seen.append((self.result(), self.stored_status().state))
        real(self, content)

    monkeypatch.setattr(RunFolder, "write_predictions", write)
    run(store, run_id)
    assert seen == [(None, "running")]


@pytest.mark.parametrize("of", ["predictions", "result", "end"])
def test_a_run_that_dies_at_its_end_gets_the_same_predictions(
    store: RunStore, monkeypatch: pytest.MonkeyPatch, of: str
) -> None:
    straight, cut = ran(store, *UNSTEADY), store.create(tiny_config(*SHORT, *UNSTEADY))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):

        def die(*_: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(runner.Recorder, of, die)
        run(store, cut)
    store.queue.mark_interrupted()
    store.queue.enqueue(cut)
    assert run(store, cut).state == "finished"
    first, second = (store.run(run_id).checksums.read(PREDICTIONS) for run_id in (straight, cut))
    assert first == second


def stopped(store: RunStore, after: int, *settings: str) -> str:
    run_id = store.create(tiny_config(*SHORT, *settings))
    run(store, run_id, on_epoch=lambda line: line.epoch == after and store.queue.request_stop(run_id))
    assert store.run(run_id).status().state == "stopped"
    return run_id


def test_a_stopped_run_has_none_until_someone_asks(store: RunStore) -> None:
    """They are kept in the cache, and belong to the weights of that moment."""
    run_id, straight = stopped(store, 2), ran(store)
    assert store.predictions(run_id) is None and store.without_predictions() == [run_id]
    asked = predictions_of(store, run_id)
    assert asked.later and asked.last_epoch == 2
    assert answered(asked).items() >= accuracies(store, run_id).items()
    assert same(store.predictions(run_id) or asked, asked) and store.without_predictions() == []
    assert not (store.run(run_id).path / PREDICTIONS).exists()
    cached, (path,) = store.predictions(run_id), store.cache_folder.glob("predictions-*")
    content = path.read_bytes()
    store.queue.enqueue(run_id)
    assert run(store, run_id).state == "finished"
    finished, other = store.predictions(run_id), store.predictions(straight)
    assert finished and other and cached and not finished.later and same(finished, other) and not same(finished, cached)
    forget(store, run_id)
    assert path.read_bytes() == content and store.predictions(run_id) is None, "of other weights"


def test_damage_in_the_cache_costs_another_computation(store: RunStore) -> None:
    run_id = stopped(store, 1)
    before = predictions_of(store, run_id)
    path = store.cache_folder / f"predictions-{run_id}"
    for content in (b"", path.read_bytes()[:-1], path.read_bytes().replace(b"test", b"tent")):
        path.write_bytes(content)
        assert store.predictions(run_id) is None
    assert same(predictions_of(store, run_id), before)


def test_a_run_that_came_with_the_program_is_not_changed(store: RunStore) -> None:
    run_id = ran(store)
    forget(store, run_id)
    (store.run(run_id).path / LAST).unlink()
    change_file(store, run_id, "meta.json", reference=True)
    store.run(run_id).tidy_record(at_work=False)
    before = {path.name: path.read_bytes() for path in store.run(run_id).path.iterdir()}
    predictions = predictions_of(store, run_id)
    assert {path.name: path.read_bytes() for path in store.run(run_id).path.iterdir()} == before
    again = RunStore(store.root).predictions(run_id)
    assert again is not None and same(again, predictions)
    assert predictions.answers("test", "best") and predictions.best_epoch == store.run(run_id).status().best_epoch


def test_without_the_saved_state_only_the_best_epoch_is_known(store: RunStore) -> None:
    run_id = unsteady(store)
    complete = store.predictions(run_id)
    forget(store, run_id)
    store.run(run_id).delete_states()
    predictions = predictions_of(store, run_id)
    assert complete is not None and complete.best_epoch != complete.last_epoch
    assert predictions.answers("test", "last") is None and predictions.last_epoch == complete.last_epoch
    assert answered(predictions) == {
        key: value for key, value in answered(complete).items() if key[1] == complete.best_epoch
    }


def test_the_cache_forgets_deleted_runs(store: RunStore) -> None:
    first, second = stopped(store, 1), stopped(store, 1, "train.seed=3")
    predictions_of(store, first)
    store.trash.put(first)
    store.trash.empty()
    predictions_of(store, second)
    assert [path.name for path in store.cache_folder.glob("predictions-*")] == [f"predictions-{second}"]


def test_a_child_has_its_own(store: RunStore) -> None:
    parent = ran(store, *CONSTANT)
    child = extend(store, parent, 4)
    assert store.predictions(child) is None
    assert run(store, child).state == "finished"
    predictions = store.predictions(child)
    assert predictions is not None and predictions.last_epoch == 4
    assert answered(predictions) == accuracies(store, child)


def test_what_has_no_predictions_says_why(store: RunStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    queued, without, run_id = store.create(tiny_config()), made_run(store, state="stopped"), ran(store)
    with pytest.raises(RunBusy, match="queued"):
        predictions_of(store, queued)
    with pytest.raises(StoreError, match="no weights yet"):
        predictions_of(store, without)
    forget(store, run_id)
    with store.run(run_id).hold(), pytest.raises(RunBusy, match="working on run"):
        predictions_of(store, run_id)
    monkeypatch.setenv("RESNET_LAB_DATA", str(tmp_path / "nothing"))
    with pytest.raises(DataError, match="resnet-lab data"):
        predictions_of(store, run_id)
    assert store.without_predictions() == [run_id]


def test_weights_that_are_damaged_give_no_predictions(store: RunStore) -> None:
    run_id = ran(store)
    forget(store, run_id)
    path = store.run(run_id).path / BEST
    path.write_bytes(path.read_bytes()[:-8] + b"\x01" * 8)
    with pytest.raises(LabError, match=r"best\.safetensors.*check"):
        predictions_of(store, run_id)


def test_all_are_computed_whatever_happens_to_one(store: RunStore) -> None:
    first, second, without = ran(store), ran(store, "train.seed=5"), made_run(store, state="stopped")
    kept = predictions_of(store, first)
    forget(store, second)
    calls = []
    outcome = predict_all(store, [first, without, second], lambda *call: calls.append(call))
    assert outcome.done == [first, second] and len(outcome.problems) == 1 and without in outcome.problems[0]
    assert calls == [(first, 1, 3), (without, 2, 3), (second, 3, 3)]
    assert store.many_predictions([first, without, second]).keys() == {first, second}
    assert predictions_of(store, first) is kept and not kept.later


def test_threads_of_the_caller_stay_as_they_were(store: RunStore) -> None:
    import torch

    run_id, before = ran(store), torch.get_num_threads()
    forget(store, run_id)
    torch.set_num_threads(2)
    try:
        predictions_of(store, run_id)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
