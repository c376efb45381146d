"""Does a search find better settings than random search in the same minutes of training?

    python -m benchmarks.search                # pair deer/dog, 6,000 images, 60 minutes for each sampler
    python -m benchmarks.search --tiny         # three repeats of 3 minutes each, with 1,500 images

The searches of a repeat have the same ranges, pruner and minutes. They train in turn, always the one that has trained
for the shortest time, so that a busy machine slows both alike. Then the best three trials of each search, chosen on
validation images, and the base settings are trained with three new seeds. The test images judge only these runs.

A benchmark that was killed continues with the same command, and a second process with the same command shares the work.
The tables in benchmarks/results/ and docs/search.md are written anew after every run.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.common import heading, keep_by_machine, publish
from core.base.errors import RunBusy
from core.base.text import counted, duration, percent
from core.compare.contenders import Contender
from core.compare.gap import gap
from core.config.presets import PRESETS
from core.config.run_config import RunConfig
from core.jobs.runner import run
from core.runs.store import RunStore
from core.search import driver
from core.search.confirm import Side, confirm, sides_of, verdict
from core.search.methods import PRUNERS, SAMPLERS
from core.search.search import Search
from core.search.space import range_from_text
from core.search.store import Control, SearchStore
from core.search.trials import ENDED, Trial, runs_of, trials_of
from core.stats.finding import ACCURACY

RANGES = (
    "train.lr=0.003 to 3",
    "train.weight_decay=1e-5 to 1e-2",
    "train.momentum=0.5 to 0.99",
    "train.batch_size=32 to 512",
    "train.warmup_epochs=0 to 3",
    "train.label_smoothing=0 to 0.2",
)


#: Seconds between two looks at what another process trains.
POLL_SECONDS = 2.0


@dataclass(frozen=True)
class Scale:
    """How much is trained: images of the pair (a sixth validates), epochs, minutes for each search, and repeats."""

    images: int
    epochs: int
    minutes: float
    repeats: int


SCALES = {"hour": Scale(6_000, 12, 60, 1), "tiny": Scale(1_500, 6, 3, 3)}


def base(scale: Scale) -> RunConfig:
    """Return the recipe that the ranges vary, trained with one thread."""
    return PRESETS["quick"].config.replace(
        {
            "data.classes": ("deer", "dog"),
            "data.train_size": scale.images,
            "data.validation": "held-out",
            "data.validation_size": scale.images // 6,
            "train.epochs": scale.epochs,
            "train.threads": 1,
        }
    )


class Contest:
    """One repeat: a search for each sampler, made or continued from the folder of ``store``."""

    def __init__(self, store: RunStore, scale: Scale, samplers: Sequence[str], pruner: str, repeat: int):
        self.store, self.searches, self.steps = store, SearchStore(store), driver.Steps(store)
        self.ids: dict[str, str] = {}
        self._confirming: set[str] = set()
        for sampler in samplers:
            search = Search(
                f"{sampler} {repeat}",
                base(scale),
                tuple(map(range_from_text, RANGES)),
                sampler=sampler,
                pruner=pruner,
                minutes=scale.minutes,
                seed=repeat,
            )
            self.ids[sampler] = self._created(search)

    def _created(self, search: Search) -> str:
        for search_id, stored in self.searches.all()[0].items():
            if stored.search.name == search.name:
                if replace(stored.search, created_at=0.0) != search:
                    raise SystemExit(f"The folder has another search called “{search.name}”. Use another --runs.")
                return search_id
        return self.searches.create(search)

    def train_next(self) -> bool:
        """Train a run of the search that has trained for the shortest time, or one that confirms; ``False`` at the end.

        What another process of this benchmark trains is left to it.
        """
        controls = {sampler: self._step(sampler) for sampler in sorted(self.ids, key=self.seconds)}
        for sampler, control in controls.items():
            if not control.going and sampler not in self._confirming:
                confirm(self.store, self.ids[sampler])  # raises if there was time for no trial but the base
                self._confirming.add(sampler)
            if self._train(self.ids[sampler]):
                return True
        if any(control.going for control in controls.values()):
            time.sleep(POLL_SECONDS)
            return True
        return False

    def _step(self, sampler: str) -> Control:
        search_id = self.ids[sampler]
        control = self.searches.get(search_id).control
        if not control.going and not control.done:
            driver.start(self.store, search_id)
        control = self.steps.take(search_id).control
        if control.problem:
            raise SystemExit(f"The search of {sampler} paused. {control.problem}")
        return control

    def _train(self, search_id: str) -> bool:
        """Train the first waiting run of a search, if there is one."""
        own = {each.id for each in runs_of(search_id, self.store.summaries())}
        run_id = next((run_id for run_id in self.store.queue.ids() if run_id in own), None)
        if run_id is None:
            return False
        try:
            status = run(self.store, run_id, on_epoch=lambda _: self.steps.take(search_id), only_queued=True)
        except RunBusy:  # another process was faster
            return False
        name = self.store.run(run_id).meta().name
        print(f"{name}: {status.state}, best {percent(status.best_val_accuracy)}", flush=True)
        return True

    def trials(self, sampler: str) -> list[Trial]:
        """Return the trials of a sampler so far."""
        stored = self.searches.get(self.ids[sampler])
        return trials_of(self.ids[sampler], stored.search, self.store, stored.control)

    def seconds(self, sampler: str) -> float:
        """Return how long the trials of a sampler have trained."""
        return sum(trial.seconds for trial in self.trials(sampler))

    def sides(self, sampler: str) -> list[Side]:
        """Return the base and the best trials as they are with new seeds."""
        stored = self.searches.get(self.ids[sampler])
        return sides_of(self.ids[sampler], stored.search, stored.control, self.trials(sampler), self.store)

    def winner(self, sampler: str) -> Side | None:
        """Return the confirmed trial of highest mean validation accuracy, once all runs with new seeds have ended."""
        sides = self.sides(sampler)
        if any(side.missing or any(each.state not in ENDED for each in side.runs) for side in sides):
            return None
        judged = verdict(sides)
        return judged.winner if judged else None


# --- the table ------------------------------------------------------------------------------------


def best_after(trials: Sequence[Trial], seconds: float) -> float | None:
    """Return the best accuracy of the trials that had finished after so many seconds of training of all trials."""
    used, best = 0.0, None
    for trial in trials:
        used += trial.seconds
        if used > seconds:
            break
        if trial.state == "finished" and trial.value is not None:
            best = trial.value if best is None else max(best, trial.value)
    return best


def row(contest: Contest, sampler: str, minutes: float) -> str:
    """Return a line of the table: a search, as far as it is."""
    trials, winner = contest.trials(sampler), contest.winner(sampler)
    states = [trial.state for trial in trials]
    search = contest.searches.get(contest.ids[sampler]).search
    cells = [
        SAMPLERS[sampler].title,
        str(search.seed),
        f"{len(trials)} ({states.count('pruned')} pruned, {states.count('failed')} failed)",
        duration(contest.seconds(sampler)),
        *(percent(best_after(trials, share * 60 * minutes)) for share in (0.25, 0.5)),
        percent(best_after(trials, float("inf"))),
    ]
    for spread in (winner.validation, winner.test) if winner else (None, None):
        cells.append(ACCURACY.spread_text(spread) if spread else "–")
    return f"| {' | '.join(cells)} |"


def sentences(contest: Contest) -> list[str]:
    """Return what the winners are, and how they compare with the base and with each other on test images."""
    lines, winners = [], {}
    for sampler, search_id in contest.ids.items():
        title, winner = SAMPLERS[sampler].title, contest.winner(sampler)
        if winner is None:
            continue
        winners[title] = winner
        search = contest.searches.get(search_id).search
        judged = verdict(contest.sides(sampler), contest.store.many_predictions)
        found = judged.finding.summary if judged else ""
        lines.append(f"- {title}, repeat {search.seed}: {search.label(winner.config)}. {found}")
    if len(winners) == 2:
        pair = [Contender(title, side.finished) for title, side in winners.items()]
        found = gap(*pair, read=contest.store.many_predictions)
        lines.append(f"- {' and '.join(winners)}: **{found.headline}** {found.summary}")
    return lines


def report(contests: Sequence[Contest], scale: Scale, pruner: str) -> str:
    """Return the table of all searches, the sentences on each repeat, and with several repeats their mean."""
    config = base(scale)
    sizes = config.data.sizes()
    lines = [
        heading("one thread"),
        "",
        f"Pair deer/dog, {sizes.train:,} training and {sizes.validation:,} validation images, {scale.epochs} epochs "
        f"per trial, {scale.minutes:g} minutes of training per search, pruner {PRUNERS[pruner].title.lower()}.",
        "",
        "| sampler | repeat | trials | trained | best seen after a quarter | after half | at the end "
        "| winner, validation, new seeds | winner, test, new seeds |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        *(row(contest, sampler, scale.minutes) for contest in contests for sampler in contest.ids),
        "",
        *(line for contest in contests for line in sentences(contest)),
    ]
    tests: dict[str, list[float]] = {}
    for contest in contests:
        for sampler in contest.ids:
            if (winner := contest.winner(sampler)) and winner.test:
                tests.setdefault(SAMPLERS[sampler].title, []).append(winner.test.mean)
    for title, values in tests.items():
        if len(values) > 1:
            mean, deviation = 100 * statistics.mean(values), 100 * statistics.stdev(values)
            lines.append(f"- {title}, {counted(len(values), 'repeat')}: test accuracy {mean:.2f} ± {deviation:.2f} %")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="three repeats of 3 minutes each, with 1,500 images")
    parser.add_argument("--samplers", nargs="+", default=["tpe", "random"], choices=list(SAMPLERS))
    parser.add_argument("--pruner", default="median", choices=["none", "median", "asha", "extrapolation"])
    parser.add_argument("--minutes", type=float, help="for each search (default: 60, tiny: 3)")
    parser.add_argument("--runs", type=Path, help="folder of the runs (default: a folder for temporary files)")
    parser.add_argument("--dry", action="store_true", help="print the table; write no file")
    args = parser.parse_args()
    name = "tiny" if args.tiny else "hour"
    scale = replace(SCALES[name], **({"minutes": args.minutes} if args.minutes else {}))
    store = RunStore(args.runs or Path(tempfile.gettempdir()) / "resnet-lab-search" / name)
    contests: list[Contest] = []
    for repeat in range(scale.repeats):
        contests.append(Contest(store, scale, args.samplers, args.pruner, repeat))
        while contests[-1].train_next():
            text = report(contests, scale, args.pruner)
            if not args.dry:
                publish("search", name, keep_by_machine(f"search-{name}", text))
    print(report(contests, scale, args.pruner))


if __name__ == "__main__":
    main()
