"""The driver: gives the trials of a search to the queue one after the other, and stops those that a pruner gives up.

A step looks at the run folders and does what is due: stop a trial, continue one whose process died, queue the next one.
Every step can be repeated, in any process and after a kill at any moment: it decides from the run folders alone. The
server has a :class:`Driver` thread beside the worker; ``resnet-lab search run`` takes the same steps.
"""

import contextlib
import threading
import traceback
from collections.abc import Hashable, Sequence
from dataclasses import replace
from pathlib import Path

from core.base.errors import FolderReplaced, LabError, Once, Outcome, RunBusy, StoreError, each
from core.base.paths import runs_folder
from core.base.terminal import say
from core.config.run_config import RunConfig
from core.runs.folder import AT_WORK
from core.runs.store import RunStore
from core.search.methods import PRUNERS
from core.search.search import Search
from core.search.store import SearchStore, Stored
from core.search.trials import Trial, progress_of, runs_of, trials_of

#: Seconds between two looks while a search goes on, and while none does.
POLL_SECONDS, IDLE_SECONDS = 0.5, 2.0
#: So many trials that fail one after the other pause a search. If training diverged, a trial only had poor settings.
MOST_FAILURES, MOST_DIVERGED = 3, 20


class Steps:
    """Takes the steps of searches for one process; what it keeps only saves time."""

    def __init__(self, store: RunStore):
        self.store, self.searches = store, SearchStore(store)
        self._settled: dict[str, Hashable] = {}  # what a search looked like when nothing was due
        self._kept: dict[tuple[str, int], Hashable] = {}  # what a trial looked like when no pruner stopped it

    def take(self, search_id: str) -> Stored:
        """Do what is due for a search, and return it as it is afterwards. Raises LabError."""
        looks = self._looks(search_id)
        if self._settled.get(search_id) == looks:
            return self.searches.get(search_id)
        with self.searches.lock(search_id):
            stored = self.searches.get(search_id)
            if stored.control.going:
                self._take(search_id, stored)
        self._settled[search_id] = looks
        return self.searches.get(search_id)

    def _looks(self, search_id: str) -> Hashable:
        runs = runs_of(search_id, self.store.summaries())
        states = tuple((run.id, run.state, run.status.epoch, run.meta.pruned_at) for run in runs)
        return self.searches.get(search_id), states

    def _take(self, search_id: str, stored: Stored) -> None:
        search, control = stored.search, stored.control
        trials = trials_of(search_id, search, self.store, control)
        # In the order of their numbers: a trial is compared with earlier ones, which must have got their verdict.
        for number in range(len(trials)):
            if self._prune(search_id, search, trials, trials[number]):
                trials = trials_of(search_id, search, self.store, control)
        for run in (run for trial in trials if not trial.ended for run in trial.runs):
            if run.state == "interrupted":
                with contextlib.suppress(RunBusy):  # another process works on it by now
                    self.store.queue.enqueue(run.id)
        if problem := _failures(trials[control.since :]):
            self.searches.control(search_id, lambda control: replace(control, going=False, problem=problem))
            return
        self._make_runs(search_id, search, trials)

    # --- stopping ---------------------------------------------------------------------------------

    def _prune(self, search_id: str, search: Search, trials: list[Trial], trial: Trial) -> bool:
        """Stop a trial if the pruner says so, and record it once it has stopped. Return whether it was recorded."""
        if search.pruner == "none" or trial.pruned_at is not None or trial.state == "failed" or not trial.steps:
            return False
        looks = (
            trial.steps,
            tuple((other.number, other.counted_steps, other.state) for other in trials[: trial.number]),
        )
        if self._kept.get((search_id, trial.number)) == hash(looks):
            return False
        from core.search.suggest import prune_after  # imports Optuna, which takes a second

        step = prune_after(search, trials, trial)
        if step is None:
            self._kept[search_id, trial.number] = hash(looks)
            return False
        if active := [run.id for run in trial.runs if run.status.active]:
            each(active, self.store.queue.request_stop)  # recorded at a later step, when they have stopped
            return False
        run = self.store.run(trial.runs[-1].id)
        unit = "seed" if trial.several_seeds else "epoch"
        run.append_log(
            f"Pruned after {unit} {step} by the search “{search.name}” ({PRUNERS[search.pruner].title}). "
            "The run can be resumed; the search counts it as it was then."
        )
        run.mark_pruned(step)
        return True

    # --- making runs ------------------------------------------------------------------------------

    def _make_runs(self, search_id: str, search: Search, trials: list[Trial]) -> None:
        """Queue the next seeds of trials, and trials until as many are at work as the search has places."""
        for trial in trials:
            if trial.state == "waiting" and all(run.finished for run in trial.runs):
                self._create(search_id, search, trial.config, trial.number, len(trial.runs))
        while True:
            progress = progress_of(search, trials)
            active = [trial for trial in trials if not trial.ended]
            if progress.used_up:
                if not active:
                    self._end(search_id, "The budget is used up.")
                return
            number = progress.trials
            if len(active) >= search.parallel or any(trial.number <= number - search.parallel for trial in active):
                return
            from core.search.suggest import next_config  # imports Optuna, which takes a second

            config = next_config(search, trials, number)
            if config is None:
                if not active:
                    self._end(search_id, "No combination of values is left that was not tried.")
                return
            self._create(search_id, search, config, number, 0)
            trials[:] = trials_of(search_id, search, self.store)

    def _create(self, search_id: str, search: Search, config: RunConfig, number: int, seed: int) -> None:
        config = search.config(search.varied(config), seed)
        name = f"{search.name}: trial {number}" + (f", seed {config.train.seed}" if search.seeds > 1 else "")
        self.store.create(config, name=name, study=search_id, trial=number)

    def _end(self, search_id: str, reason: str) -> None:
        self.searches.control(search_id, lambda control: replace(control, going=False, done=reason))


def _failures(trials: Sequence[Trial]) -> str:
    """Return why a search pauses if its last trials failed, most recent first."""
    ended = [trial for trial in trials if trial.ended]
    failed: list[Trial] = []
    while ended and ended[-1].state == "failed" and (not failed or ended[-1].diverged == failed[-1].diverged):
        failed.append(ended.pop())
    if len(failed) < (MOST_DIVERGED if failed and failed[-1].diverged else MOST_FAILURES):
        return ""
    advice = " Create a search with a lower range of learning rates." if failed[0].diverged else ""
    return f"The last {len(failed)} trials failed. {failed[0].error}{advice}"


# --- what a person asks for -----------------------------------------------------------------------


def start(store: RunStore, search_id: str) -> None:
    """Let a search go on: its driver makes trials, and the runs that a pause stopped continue. Raises LabError.

    Failures so far no longer count: the person who starts it has seen them.
    """
    searches = SearchStore(store)
    with searches.lock(search_id):
        control = searches.get(search_id).control
        for run_id in control.held:
            with contextlib.suppress(StoreError):  # it continued, or it is in the trash
                if store.run(run_id).status().state in ("stopped", "interrupted"):
                    store.queue.enqueue(run_id)
        since = len(trials_of(search_id, searches.get(search_id).search, store))
        searches.control(
            search_id, lambda control: replace(control, going=True, held=(), problem="", done="", since=since)
        )


def pause(store: RunStore, search_id: str) -> Outcome:
    """Make no further trials, and stop those at work after this batch; :func:`start` continues them where they were."""
    searches = SearchStore(store)
    with searches.lock(search_id):
        search = searches.get(search_id).search
        trials = trials_of(search_id, search, store)
        active = [run for trial in trials if not trial.ended for run in trial.runs if run.status.active]
        held = tuple(run.id for run in active)
        # First that they are held: a kill between the two leaves a paused search whose runs train on.
        searches.control(search_id, lambda control: replace(control, going=False, held=(*control.held, *held)))
        active.sort(key=lambda run: run.state in AT_WORK)  # the waiting ones first: stopping one starts the next
        return each([run.id for run in active], store.queue.request_stop)


# --- the server's thread --------------------------------------------------------------------------


class Driver:
    """Takes the steps of all searches of one store in a daemon thread."""

    def __init__(self, store: RunStore):
        self.steps = Steps(store)
        self.thread: threading.Thread | None = None
        #: Why a search stands still, by its id, as long as that is so.
        self.troubles: dict[str, str] = {}
        self._reported = Once()
        self._stopping = threading.Event()

    def start(self) -> None:
        """Start the thread, unless it is running; returns at once."""
        if self.thread is None or not self.thread.is_alive():
            self._stopping.clear()
            self.thread = threading.Thread(target=self._work, name="resnet-lab-searches", daemon=True)
            self.thread.start()

    def stop(self, timeout: float = 30.0) -> None:
        """Take no further step, and wait for the thread."""
        self._stopping.set()
        if self.thread:
            self.thread.join(timeout)

    def _work(self) -> None:
        while not self._stopping.is_set():
            going: list[str] = []
            try:
                searches, _ = self.steps.searches.all()
                going = [search_id for search_id, stored in searches.items() if stored.control.going]
                for search_id in self.troubles.keys() - set(going):  # paused or ended since
                    self.troubles.pop(search_id, None)
                    self._reported.forget(search_id)
                for search_id in going:
                    self._take(search_id)
            except Exception as error:  # the folder is gone, …: try again later
                self._report(error, "")
            self._stopping.wait(POLL_SECONDS if going else IDLE_SECONDS)

    def _take(self, search_id: str) -> None:
        try:
            self.steps.take(search_id)
        except FolderReplaced:
            raise
        except RunBusy:
            pass  # another process takes this step
        except Exception as error:  # a full disk, a damaged file: the other searches go on
            self._report(error, search_id)
        else:
            self.troubles.pop(search_id, None)
            self._reported.forget(search_id)

    def _report(self, error: Exception, search_id: str) -> None:
        """Keep a sentence for the page; the terminal gets the traceback once for each search and reason."""
        with contextlib.suppress(Exception):
            self.troubles[search_id] = str(error) if isinstance(error, LabError) else f"{type(error).__name__}: {error}"
            if self._reported.is_new(error, search_id):
                say("\n".join([f"Search {search_id} waits:", *traceback.format_exception(error)]))


_drivers: dict[Path, Driver] = {}
_starting = threading.Lock()


def ensure_driver(root: Path | None = None) -> Driver:
    """Return this process's driver for the runs in ``root`` (default: the setting), started if necessary."""
    root = (root or runs_folder()).resolve()
    with _starting:
        if root not in _drivers:
            _drivers[root] = Driver(RunStore(root))
        _drivers[root].start()
        return _drivers[root]
