"""Operations on a store that can be interrupted anywhere: how to prepare, perform and check each."""

import contextlib
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from core.base.files import write_atomically
from core.config import run_config
from core.config.run_config import RunConfig
from core.runs import transfer
from core.runs.predictions import predictions_bytes
from core.runs.store import RunStore
from core.study.form import grow
from core.study.store import StudyStore
from core.study.study import Study, axis
from tests.made import change_file, made_run, tiny_config
from tests.runs.test_predictions import made_answers, made_predictions


def tiny(*settings: str) -> RunConfig:
    """Return the configuration of a run of two epochs that really trains, in about a second."""
    sizes = ("data.train_size=160", "data.validation_size=40", "data.test_size=40", "model.width=4")
    return tiny_config(*sizes, "train.epochs=2", "train.batch_size=60", *settings)


STUDY = Study("rates", tiny(), (axis("train.lr", [0.1, 0.2]),))


@dataclass(frozen=True)
class Operation:
    """An operation: ``begin`` prepares it and returns the runs concerned, ``act`` performs it, ``done`` checks it.

    An interrupted operation either happened, or ``act`` must succeed when it is called again.
    """

    begin: Callable[[RunStore], Any]
    act: Callable[[RunStore, Any], object]
    done: Callable[[RunStore, Any], bool]

    @contextlib.contextmanager
    def prepared(self, store: RunStore) -> Iterator[Any]:
        """Add two unrelated runs to the store, and give the runs that the operation concerns."""
        made_run(store, epochs=2, name="bystander")
        store.trash.put(made_run(store, epochs=2, name="in the trash"))
        yield self.begin(store)


def _weighted(store: RunStore, **about: Any) -> str:
    run_id = made_run(store, epochs=2, **about)
    store.run(run_id).write_file("best.safetensors", b"best" * 100)
    store.run(run_id).write_file("last.pt", b"last" * 100)
    return run_id


def _reference(store: RunStore) -> str:
    run_id = made_run(store, epochs=2)
    change_file(store, run_id, "meta.json", reference=True)
    return run_id


def _doomed(store: RunStore) -> str:
    """Return a run that was to be discarded when its process died."""
    run_id = made_run(store, epochs=2, state="running")
    (store.run(run_id).path / "stop").write_text("discard")
    return run_id


def _outdated(store: RunStore) -> str:
    run_id = made_run(store, epochs=2)
    change_file(store, run_id, "config.json", schema=0)
    run_config.MIGRATIONS[0] = dict
    return run_id


def _archive(store: RunStore) -> list[str]:
    """Export two runs into a .zip file, then take them out of the store; return their ids."""
    ids = [_weighted(store, name=name) for name in ("first", "second")]
    with (store.root.parent / "runs.zip").open("wb") as file:
        transfer.export(store, ids, file)
    for run_id in ids:
        (store.root / run_id).rename(store.root.parent / run_id)
    return ids


def _extend(store: RunStore, run_id: str) -> None:
    files = {name: (store.run(run_id).path / name).read_bytes() for name in ("last.pt", "best.safetensors")}
    store.create(store.run(run_id).config(), name="child", parent=run_id, files=files)


def _held(store: RunStore, _: None) -> None:
    with store.create_held(tiny(), name="made"):
        pass


def _enqueue(store: RunStore, run_id: str) -> None:
    if store.run(run_id).status().state != "queued":
        store.queue.enqueue(run_id)


def _discard(store: RunStore, run_id: str) -> None:
    if run_id in store.trash.ids():
        return
    if store.run(run_id).status().state == "queued":
        store.queue.request_stop(run_id, keep=False)
    else:
        store.trash.put(run_id)


def _bring_in(store: RunStore, _: list[str]) -> None:
    transfer.import_runs(store, store.root.parent / "runs.zip", "runs.zip")


def _export(store: RunStore, run_id: str) -> None:
    write_atomically(store.root / "made.zip", lambda file: transfer.export(store, [run_id], file))


def _trash_study(store: RunStore, study_id: str) -> None:
    if study_id not in StudyStore(store).trash.ids():
        StudyStore(store).trash.put(study_id)


def _predicted(store: RunStore, *, reference: bool) -> str:
    """Return a finished run without predictions."""
    run_id = _weighted(store)
    if reference:
        change_file(store, run_id, "meta.json", reference=True)
    return run_id


def _keep_predictions(store: RunStore, run_id: str) -> None:
    run = store.run(run_id)
    predictions = replace(made_predictions(made_answers("validation", n=500)), later=True)
    with run.hold():
        run.keep_predictions(predictions_bytes(predictions, run.config()))


def _has_predictions(store: RunStore, run_id: str) -> bool:
    """Whether a run has predictions; raises if they are damaged."""
    return store.run(run_id).predictions() is not None


def _named(name: str) -> Callable[[RunStore, Any], bool]:
    """Return a check that runs called ``name`` exist and are complete."""

    def made(store: RunStore, _: Any) -> bool:
        ids = [run_id for run_id in store.ids() if store.run(run_id).meta().name == name]
        return bool(ids) and all((store.run(run_id).path / "status.json").is_file() for run_id in ids)

    return made


def _nothing(store: RunStore) -> None:
    return None


def _state(wanted: str) -> Callable[[RunStore, str], bool]:
    return lambda store, run_id: store.run(run_id).stored_status().state == wanted


OPERATIONS = {
    "create": Operation(_nothing, lambda store, _: store.create(tiny(), name="made"), _named("made")),
    "create_held": Operation(_nothing, _held, _named("made")),
    "extend": Operation(_weighted, _extend, _named("child")),
    "enqueue": Operation(lambda store: made_run(store, epochs=2, state="failed"), _enqueue, _state("queued")),
    "stop": Operation(
        lambda store: made_run(store, epochs=0, state="queued"),
        lambda store, run_id: store.queue.request_stop(run_id),
        _state("stopped"),
    ),
    "discard": Operation(
        lambda store: made_run(store, epochs=0, state="queued"),
        _discard,
        lambda store, run_id: run_id in store.trash.ids(),
    ),
    "annotate": Operation(
        made_run,
        lambda store, run_id: store.run(run_id).annotate(name="new"),
        lambda store, run_id: store.run(run_id).meta().name == "new",
    ),
    "annotate_reference": Operation(
        _reference,
        lambda store, run_id: store.run(run_id).annotate(name="new"),
        lambda store, run_id: store.run(run_id).meta().name == "new",
    ),
    "retag": Operation(
        lambda store: made_run(store, tags=("old",)),
        lambda store, run_id: store.run(run_id).retag(["new"], ["old"]),
        lambda store, run_id: store.run(run_id).meta().tags == ("new",),
    ),
    "move": Operation(
        lambda store: [made_run(store, epochs=0, state="queued") for _ in range(3)],
        lambda store, ids: store.queue.move(ids[2], "front"),
        lambda store, ids: store.queue.ids() == [ids[2], ids[0], ids[1]],
    ),
    "study": Operation(
        _nothing,
        lambda store, _: StudyStore(store).create(STUDY),
        lambda store, _: bool(StudyStore(store).all()[0]) and not StudyStore(store).all()[1],
    ),
    "grow_study": Operation(
        lambda store: StudyStore(store).create(STUDY),
        lambda store, study_id: grow(StudyStore(store), study_id, [], "0-2"),
        lambda store, study_id: StudyStore(store).get(study_id).seeds == (0, 1, 2),
    ),
    "trash_study": Operation(
        lambda store: StudyStore(store).create(STUDY),
        _trash_study,
        lambda store, study_id: study_id in StudyStore(store).trash.ids() and not StudyStore(store).ids(),
    ),
    "export": Operation(_weighted, _export, lambda store, _: zipfile.is_zipfile(store.root / "made.zip")),
    "trash": Operation(
        made_run, lambda store, run_id: store.trash.put(run_id), lambda store, run_id: run_id in store.trash.ids()
    ),
    "restore": Operation(
        lambda store: store.trash.ids()[0],
        lambda store, run_id: store.trash.restore(run_id),
        lambda store, run_id: run_id in store.ids(),
    ),
    "empty_trash": Operation(
        lambda store: [store.trash.put(run_id) or run_id for run_id in (_weighted(store), _weighted(store))],
        lambda store, _: store.trash.empty(),
        lambda store, _: store.trash.ids() == [],
    ),
    "delete_states": Operation(
        _weighted,
        lambda store, run_id: store.run(run_id).delete_states(),
        lambda store, run_id: store.run(run_id).last_state() is None,
    ),
    "mark_interrupted": Operation(
        _doomed,
        lambda store, _: store.queue.mark_interrupted(),
        lambda store, run_id: run_id in store.trash.ids() or store.run(run_id).stored_status().state == "interrupted",
    ),
    "migrate": Operation(
        _outdated,
        lambda store, run_id: store.run(run_id).migrate(),
        lambda store, run_id: json.loads((store.run(run_id).path / "config.json").read_text())["schema"] == 1,
    ),
    "keep_predictions": Operation(
        lambda store: _predicted(store, reference=False), _keep_predictions, _has_predictions
    ),
    "keep_predictions_of_reference": Operation(
        lambda store: _predicted(store, reference=True), _keep_predictions, _has_predictions
    ),
    "import": Operation(_archive, _bring_in, lambda store, ids: set(ids) <= set(store.ids())),
    "table": Operation(
        _nothing, lambda store, _: store.frame(), lambda store, _: (store.cache_folder / "summaries.json").is_file()
    ),
}
#: Which of the files that existed before an operation may change, where that is not just the runs concerned.
CHANGES = {"empty_trash": lambda path: path.startswith(".trash/")}
