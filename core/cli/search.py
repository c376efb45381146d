"""Commands about searches: create one, run it, show its trials, confirm its best.

``search run`` trains the trials in this process in turn. If it is killed, the same command continues with the same
trials. With ``--queue`` the app trains them.
"""

import argparse
import contextlib
import time
from dataclasses import asdict

from core.base.errors import ConfigError, LabError, RunBusy, collected
from core.base.terminal import say
from core.base.text import counted, moment, percent
from core.cli.answer import Answer, table
from core.cli.shelved import bring_back, put_away
from core.cli.train import INTERRUPTED, CtrlC, chosen_config, require_data, train_existing
from core.cost.machine import fit, require_fit
from core.records import EpochRecord
from core.runs.store import RunStore
from core.search import driver
from core.search.confirm import Side, confirm, sides_of, verdict
from core.search.idle import idle_notes, largest
from core.search.search import Search
from core.search.space import range_from_text
from core.search.store import SearchStore
from core.search.trials import Trial, best_of, counts_text, progress_of, runs_of, trials_of
from core.stats.finding import ACCURACY

#: Seconds between two looks at a trial that another process trains.
POLL_SECONDS = 1.0


def create(args: argparse.Namespace, store: RunStore) -> Answer:
    """Create a search over ranges of settings."""
    if not args.vary:
        raise ConfigError({"--vary": "name a setting and its range, such as --vary “train.lr=0.01 to 1”."})
    search = Search(
        name=args.name or "A search",
        base=chosen_config(args),
        ranges=tuple(range_from_text(text) for text in args.vary),
        sampler=args.sampler,
        pruner=args.pruner,
        trials=args.trials,
        minutes=args.minutes,
        seeds=args.seeds_per_trial,
        parallel=args.parallel,
        seed=args.search_seed,
    )
    search_id = SearchStore(store).create(search)
    fits = fit(largest(search))
    for note in filter(None, (fits.too_big, *fits.notes, *idle_notes(search))):
        say(f"Note: {note}")
    answer = _shown(store, search_id)
    answer.text = f"Created search {search_id}. Run it with `resnet-lab search run {search_id}`.\n{answer.text}"
    return answer


def run(args: argparse.Namespace, store: RunStore) -> Answer:
    """Train the trials of a search until its budget is used up, here or in the app."""
    search_id = SearchStore(store).find(args.search)
    search = SearchStore(store).get(search_id).search
    for note in require_fit([largest(search)], confirmed=args.yes):
        say(f"Note: {note}")
    if not args.queue:
        require_data()
    driver.start(store, search_id)
    if args.queue:
        answer = _shown(store, search_id)
        answer.text = f"The search goes on; the app trains its trials.\n{answer.text}"
        return answer
    errors: list[str] = []
    with CtrlC() as ctrl_c:
        steps = driver.Steps(store)
        while not ctrl_c.pressed and steps.take(search_id).control.going:
            with collected(errors, f"Search {search_id}"):
                if not _train_next(store, search_id, steps, ctrl_c):
                    time.sleep(POLL_SECONDS)
            if errors:
                break
        if ctrl_c.pressed:
            driver.pause(store, search_id)
    answer = _shown(store, search_id)
    control = SearchStore(store).get(search_id).control
    answer.errors.extend([*errors, *([control.problem] if control.problem else [])])
    answer.code = INTERRUPTED if ctrl_c.pressed else int(bool(answer.errors))
    return answer


def _train_next(store: RunStore, search_id: str, steps: driver.Steps, ctrl_c: CtrlC) -> bool:
    """Train the next waiting run of the search; return False if another process trains them."""
    waiting = {run.id for run in runs_of(search_id, store.summaries()) if run.state == "queued"}
    for run_id in store.queue.ids():
        if run_id in waiting and not store.run(run_id).held():
            say(store.run(run_id).meta().name)
            with contextlib.suppress(RunBusy):  # the app was faster
                train_existing(store, run_id, ctrl_c, on_epoch=lambda record: _look(steps, search_id, record))
                return True
    return False


def _look(steps: driver.Steps, search_id: str, record: EpochRecord) -> None:
    """Let the pruner see a finished epoch. What goes wrong is met again after the run."""
    with contextlib.suppress(LabError):
        steps.take(search_id)


def pause(args: argparse.Namespace, store: RunStore) -> Answer:
    """Make no further trials, and stop those at work; ``search run`` continues them."""
    search_id = SearchStore(store).find(args.search)
    outcome = driver.pause(store, search_id)
    answer = _shown(store, search_id)
    answer.errors.extend(outcome.problems)
    return answer


def extend(args: argparse.Namespace, store: RunStore) -> Answer:
    """Give a search another budget; its trials are kept."""
    searches = SearchStore(store)
    search_id = searches.find(args.search)
    search = searches.get(search_id).search
    if args.trials is None and args.minutes is None:
        raise ConfigError({"--trials": "give a number of trials in all, or --minutes in all."})
    searches.extend(search_id, args.trials or search.trials, args.minutes or search.minutes)
    return _shown(store, search_id)


def confirm_best(args: argparse.Namespace, store: RunStore) -> Answer:
    """Queue the best trials and the base with new seeds, and train them here or in the app."""
    search_id = SearchStore(store).find(args.search)
    if not args.queue:
        require_data()
    outcome = confirm(store, search_id, args.seeds)
    errors = list(outcome.problems)
    with CtrlC() as ctrl_c:
        for run_id in [] if args.queue else outcome.done:
            with collected(errors, f"Run {run_id}"):
                say(store.run(run_id).meta().name)
                train_existing(store, run_id, ctrl_c)
            if ctrl_c.pressed:
                break
    answer = _shown(store, search_id)
    answer.errors.extend(errors)
    answer.code = INTERRUPTED if ctrl_c.pressed else int(bool(errors))
    return answer


# --- looking --------------------------------------------------------------------------------------


def list_searches(args: argparse.Namespace, store: RunStore) -> Answer:
    """List all searches, newest first."""
    searches, damaged = SearchStore(store).all()
    rows, data = [], []
    for search_id, stored in searches.items():
        trials = trials_of(search_id, stored.search, store, stored.control)
        best = next(iter(best_of(trials)), None)
        value = best.value if best else None
        rows.append(
            (search_id, stored.search.name, moment(stored.search.created_at), counts_text(trials), percent(value))
        )
        data.append({"id": search_id, "name": stored.search.name, "trials": len(trials), "best": value})
    text = "There are no searches yet. Create one with `resnet-lab search create`; --help shows how."
    if rows:
        text = table(("id", "name", "created", "trials", "best validation accuracy"), rows)
    return Answer(text, data, errors=[search.problem for search in damaged])


def show(args: argparse.Namespace, store: RunStore) -> Answer:
    """Show the trials of a search, its best, its budget, and what the confirmation says."""
    return _shown(store, SearchStore(store).find(args.search))


def _shown(store: RunStore, search_id: str) -> Answer:
    stored = SearchStore(store).get(search_id)
    search, control = stored.search, stored.control
    trials = trials_of(search_id, search, store, control)
    progress = progress_of(search, trials)
    best = next(iter(best_of(trials)), None)
    sides = sides_of(search_id, search, control, trials, store)
    judged = verdict(sides, store.many_predictions)
    lines = [
        f"{search.name}: {progress.text}; {counts_text(trials)}",
        f"Base settings: {search.recipe}. {'. '.join(one.text for one in search.ranges)}. {search.method_text}.",
        *filter(None, (control.done, control.problem)),
    ]
    if trials:
        lines.append(
            table(
                ("trial", "state", "epochs", "validation", "settings", "run"), [_row(search, trial) for trial in trials]
            )
        )
    if best:
        lines.append(
            f"Best: trial {best.number} with {percent(best.value)} validation accuracy ({best.interval_text}). The "
            f"best of {counted(len(trials), 'trial')} looks better than it is; `resnet-lab search confirm` trains it "
            "again."
        )
    if sides:
        head = ("confirmed", "seeds", "validation in the search", "validation", "test")
        lines.append(table(head, [_side_row(side) for side in sides]))
    if judged:
        lines += [judged.finding.headline, judged.finding.summary, judged.selection_text]
    data = {
        "id": search_id,
        "search": search.to_dict(),
        "going": control.going,
        "done": control.done,
        "problem": control.problem,
        "used": {"trials": progress.ended, "seconds": progress.seconds, "share": progress.share},
        "best": best.number if best else None,
        "trials": [_trial_data(search, trial) for trial in trials],
        "confirmed": [_side_data(side) for side in sides],
        "verdict": judged
        and {
            "winner": judged.winner.trial,
            "gain_seen": judged.gain_seen,
            "gain_confirmed": judged.gain_confirmed,
            "selection": judged.selection,
            "test": asdict(judged.finding.judgement) if judged.finding.judgement else None,
            "sentences": [judged.finding.headline, *judged.finding.sentences],
        },
    }
    return Answer("\n".join(lines), data)


def _row(search: Search, trial: Trial) -> tuple[object, ...]:
    label = search.label(trial.config)
    return (trial.number, trial.state, trial.epoch, percent(trial.value), label, trial.runs[0].id)


def _trial_data(search: Search, trial: Trial) -> dict[str, object]:
    return {
        "number": trial.number,
        "state": trial.state,
        "value": trial.value,
        "pruned_at": trial.pruned_at,
        "seconds": trial.seconds,
        "runs": [run.id for run in trial.runs],
        "settings": search.varied(trial.config),
    }


def _side_row(side: Side) -> tuple[object, ...]:
    texts = [ACCURACY.spread_text(found) if found else "–" for found in (side.validation, side.test)]
    seeds = f"{len(side.finished)} of {len(side.runs) + len(side.missing)}"
    return (side.label, seeds, percent(side.searched), *texts)


def _side_data(side: Side) -> dict[str, object]:
    return {
        "trial": side.trial,
        "runs": [run.id for run in side.runs],
        "searched": side.searched,
        "validation": [run.accuracy_on_held_out for run in side.finished],
        "test": [run.accuracy_on_test for run in side.finished],
    }


def trash(args: argparse.Namespace, store: RunStore) -> Answer:
    """Move a search to the trash; its runs stay."""
    return put_away(SearchStore(store), "search", args.search)


def restore(args: argparse.Namespace, store: RunStore) -> Answer:
    """Restore a search from the trash, or list the trash."""
    return bring_back(SearchStore(store), "search", "searches", args.search)
