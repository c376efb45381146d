"""What is done to many runs at once: one that refuses does not keep the others from it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from core.errors import LabError
from core.store import RunStore
from core.words import percent


@dataclass(frozen=True)
class Outcome:
    """On which runs something was done, and a sentence for each that refused."""

    done: list[str]
    problems: list[str]


def each(run_ids: Iterable[str], act: Callable[[str], object]) -> Outcome:
    """``act`` on every run; one that refuses does not keep the others from it."""
    done, problems = [], []
    for run_id in run_ids:
        try:
            act(run_id)
            done.append(run_id)
        except LabError as error:
            problems.append(str(error))
    return Outcome(done, problems)


def retag(store: RunStore, run_id: str, add: Iterable[str], remove: Iterable[str]) -> None:
    """Add and remove tags of a run."""
    gone = set(remove)
    tags = dict.fromkeys([*store.meta(run_id).tags, *(tag.strip() for tag in add if tag.strip())])
    store.annotate(run_id, tags=[tag for tag in tags if tag not in gone])


def trashed(store: RunStore) -> dict[str, str]:
    """What is in the trash, the newest first: id, and words that tell it from the others."""
    if not (found := store.trashed()):
        return {}
    trash, told = RunStore(store.trash_folder), {}
    for run_id in found:
        try:
            name, best = trash.meta(run_id).name, trash.status_for_holder(run_id).best_val_accuracy
            told[run_id] = " · ".join([*([name] if name else []), *([percent(best)] if best else []), run_id])
        except LabError:
            told[run_id] = f"damaged · {run_id}"
    return told
