"""Does a search find better settings than random search in the same minutes of training?

    python -m benchmarks.search                          # pair deer/dog, 6,000 images, 60 minutes each, once
    python -m benchmarks.search --minutes 3 --epochs 4 --repeats 3 --train-size 1500      # a tiny budget

Each repeat runs one search per sampler with the same ranges and the same minutes of training of all trials, in
alternation. The best trial of each search, chosen on validation images, is then trained with new seeds. The table has
the accuracy that the search saw and the mean over the new seeds; the difference of the two is selection. A search that
exists in the folder is continued, so the benchmark can be stopped and started again.

Results: only tried on tiny budgets so far, which decide nothing.
"""

import argparse
import statistics
from pathlib import Path

from core.base.text import percent
from core.cli.answer import table
from core.config.presets import PRESETS
from core.config.run_config import RunConfig
from core.jobs.runner import run
from core.runs.store import RunStore
from core.search import driver
from core.search.confirm import confirm, sides_of
from core.search.search import Search
from core.search.space import range_from_text
from core.search.store import SearchStore
from core.search.trials import best_of, runs_of, trials_of

RANGES = (
    "train.lr=0.003 to 3",
    "train.weight_decay=1e-5 to 1e-2",
    "train.momentum=0.5 to 0.99",
    "train.batch_size=32 to 512",
    "train.warmup_epochs=0 to 3",
    "train.label_smoothing=0 to 0.2",
)


def base(epochs: int, train_size: int) -> RunConfig:
    """Return the pair of the report with ``train_size`` images, a sixth of which validates."""
    return PRESETS["quick"].config.replace(
        {
            "data.classes": ("deer", "dog"),
            "data.train_size": train_size,
            "data.validation": "held-out",
            "data.validation_size": train_size // 6,
            "train.epochs": epochs,
        }
    )


def searched(store: RunStore, search: Search) -> str:
    """Run a search and its confirmation to the end, or continue them, and return its id."""
    searches = SearchStore(store)
    known = {stored.search.name: search_id for search_id, stored in searches.all()[0].items()}
    search_id = known.get(search.name) or searches.create(search)
    if not searches.get(search_id).control.done:
        driver.start(store, search_id)
    steps = driver.Steps(store)
    while steps.take(search_id).control.going:
        _train(store, search_id, steps)
    confirm(store, search_id)  # raises if the minutes were enough for no trial but the base
    _train(store, search_id, steps)
    return search_id


def _train(store: RunStore, search_id: str, steps: driver.Steps) -> None:
    own = {one.id for one in runs_of(search_id, store.summaries())}
    for run_id in store.queue.ids():
        if run_id in own:
            run(store, run_id, on_epoch=lambda _: steps.take(search_id))


def row(store: RunStore, search_id: str) -> tuple[str, int, float, float, float | None]:
    """Return name and number of trials of a search; of its best trial the accuracy that was seen, the mean validation
    and the mean test accuracy over new seeds."""
    stored = SearchStore(store).get(search_id)
    trials = trials_of(search_id, stored.search, store, stored.control)
    sides = sides_of(search_id, stored.search, stored.control, trials, store)
    confirmed = (trial for trial in best_of(trials, len(trials)) if trial.number in stored.control.confirm)
    best = next(confirmed)  # as the search ranks them
    side = next(side for side in sides if side.trial == best.number)
    seen, test = best.value or 0.0, side.test
    return stored.search.name, len(trials), seen, side.validation.mean if side.validation else 0.0, test and test.mean


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60.0, help="of training for each search")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--train-size", type=int, default=6_000)
    parser.add_argument("--samplers", nargs="+", default=["tpe", "random"])
    parser.add_argument("--pruner", default="median")
    parser.add_argument("--runs", type=Path, default=Path("/tmp/resnet-lab-search"))
    args = parser.parse_args()
    store, rows = RunStore(args.runs), []
    ranges = tuple(range_from_text(text) for text in RANGES)
    for repeat in range(args.repeats):
        for sampler in args.samplers:
            search = Search(
                f"{sampler} {repeat}",
                base(args.epochs, args.train_size),
                ranges,
                sampler=sampler,
                pruner=args.pruner,
                minutes=args.minutes,
                seed=repeat,
            )
            rows.append(row(store, searched(store, search)))
            print(rows[-1], flush=True)
    shown = [(name, trials, *map(percent, values)) for name, trials, *values in rows]
    for sampler in args.samplers:
        confirmed = [value for name, _, _, value, _ in rows if name.split()[0] == sampler]
        deviation = f" ± {100 * statistics.stdev(confirmed):.2f}" if len(confirmed) > 1 else ""
        shown.append((f"{sampler}, mean", "", "", f"{100 * statistics.mean(confirmed):.2f}{deviation} %", ""))
    print(table(("search", "trials", "seen", "validation, new seeds", "test, new seeds"), shown))


if __name__ == "__main__":
    main()
