"""Measure how long ten people wait for pages while a run trains, and check that nothing goes wrong.

Each session is the connection of a browser without the browser, whose drawing would use the cores that are measured: a
websocket that speaks Streamlit's protocol, opens the pages in turn and refreshes each fragment when the server asks for
it. A time is from the request to the end of the script, with all messages received. The script exits with 1 if a page
shows an exception, a connection breaks or an epoch is missing.

    python -m benchmarks.sessions [sessions] [seconds]     # writes results/sessions.md and docs/reliability.md
"""

import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect

from benchmarks.common import RESULTS, heading, percentile_95, publish, served
from core.base.text import duration
from core.config.presets import PRESETS
from core.runs.store import RunStore

PAGES = ("", "run", "compare", "new_run", "dataset", "run")
#: Seconds that a person looks at a page before opening the next.
STAY = 6.0
#: How a script ends that was interrupted by the next request.
_INTERRUPTED = ForwardMsg.FINISHED_EARLY_FOR_RERUN
_FRAGMENT_DONE = ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY


@dataclass
class Session:
    """The browser tab of a person.

    ``opened`` and ``refreshed`` hold seconds by page, for whole pages and for fragments; ``errors`` holds whatever went
    wrong.
    """

    address: str
    run_id: str
    stay: float = STAY
    pages: tuple[str, ...] = PAGES
    opened: dict[str, list[float]] = field(default_factory=dict)
    refreshed: dict[str, list[float]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    def watch(self, ended: threading.Event) -> None:
        """Open the pages in turn until ``ended``."""
        try:
            with connect(self.address, subprotocols=["streamlit"], max_size=None) as line:  # type: ignore[list-item]
                number = 0
                while not ended.is_set():
                    self._visit(line, self.pages[number % len(self.pages)], ended)
                    number += 1
        except Exception as error:  # reported after all sessions have ended
            self.errors.append(f"{type(error).__name__}: {error}")

    def _visit(self, line: ClientConnection, page: str, ended: threading.Event) -> None:
        """Open a page, then refresh its fragments at the intervals that it asks for."""
        intervals: dict[str, float] = {}
        self.opened.setdefault(page, []).append(self._run(line, page, None, intervals))
        leaves = time.monotonic() + self.stay
        due = {fragment: time.monotonic() + interval for fragment, interval in intervals.items()}
        while time.monotonic() < leaves and not ended.wait(0.05):
            for fragment in [fragment for fragment, moment in due.items() if moment <= time.monotonic()]:
                if fragment in intervals:
                    seconds = self._run(line, page, fragment, intervals)
                    self.refreshed.setdefault(page, []).append(seconds)
                    due[fragment] = time.monotonic() + intervals.get(fragment, self.stay)
            now = time.monotonic()
            due = {fragment: due.get(fragment, now + interval) for fragment, interval in intervals.items()}

    def _run(self, line: ClientConnection, page: str, fragment: str | None, intervals: dict[str, float]) -> float:
        """Request a page, or a fragment of it, and return the seconds until its script has ended.

        Updates ``intervals``, which holds the seconds after which each fragment is to be refreshed.
        """
        request = BackMsg()
        request.rerun_script.page_name = page
        request.rerun_script.query_string = f"run={self.run_id}&runs={self.run_id}"
        if fragment:
            request.rerun_script.fragment_id, request.rerun_script.is_auto_rerun = fragment, True
        began, scripts = time.monotonic(), 0
        line.send(request.SerializeToString())
        while True:
            message = ForwardMsg.FromString(line.recv(timeout=60))  # type: ignore[arg-type]
            kind = message.WhichOneof("type")
            if kind == "delta" and message.delta.new_element.WhichOneof("type") == "exception":
                self.errors.append(f"/{page}: {message.delta.new_element.exception.message}")
            elif kind == "page_not_found":
                self.errors.append(f"/{page} was not found")
            elif kind == "new_session":
                scripts += 1
                if scripts > bool(fragment):  # a script for the whole page announces its fragments again
                    intervals.clear()
            elif kind == "auto_rerun":
                intervals[message.auto_rerun.fragment_id] = message.auto_rerun.interval
            elif kind == "script_finished":
                ended = message.script_finished
                if ended == _INTERRUPTED or (ended == _FRAGMENT_DONE and not fragment):
                    continue
                if ended == ForwardMsg.FINISHED_WITH_COMPILE_ERROR:
                    self.errors.append(f"/{page} has a syntax error")
                return time.monotonic() - began


def watch_together(address: str, run_id: str, count: int, ended: threading.Event, stay: float = STAY) -> list[Session]:
    """Run ``count`` sessions at once until ``ended``, each starting with another page; return them."""
    sessions = []
    for number in range(count):
        first = number % len(PAGES)
        sessions.append(Session(address, run_id, stay, PAGES[first:] + PAGES[:first]))
    threads = [threading.Thread(target=session.watch, args=(ended,)) for session in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sessions


def main() -> None:
    """Measure, print and write the table."""
    count, seconds = (int(word) for word in (*sys.argv[1:], *("10", "120")[len(sys.argv) - 1 :]))
    with tempfile.TemporaryDirectory() as folder:
        store = RunStore(folder)
        small = {"data.train_size": 2_000, "data.validation_size": 500, "data.test_size": 500, "train.epochs": 10_000}
        quick = PRESETS["quick"].config.replace({**small, "model.depth": 8, "train.warmup_epochs": 0.0})
        run_id = store.create(quick.checked(), name="watched")
        run = store.run(run_id)
        with served(store.root) as address:
            wait_until(lambda: run.status().epoch >= 1)
            before, ended = run.status().epoch, threading.Event()
            threading.Timer(seconds, ended.set).start()
            stream = f"ws{address.removeprefix('http')}/_stcore/stream"
            sessions = watch_together(stream, run_id, count, ended)
            trained = run.status().epoch - before
            store.queue.request_stop(run_id)
            wait_until(lambda: run.status().state == "stopped")
        epochs = [record.epoch for record in run.records()]
        lost = run.status().epoch - len(epochs)
    text = report(sessions, seconds, trained, lost)
    print(text)
    (RESULTS / "sessions.md").write_text(text + "\n", encoding="utf-8")
    if lost or any(session.errors for session in sessions) or epochs != list(range(1, len(epochs) + 1)):
        sys.exit(1)
    opened = [time for session in sessions for times in session.opened.values() for time in times]
    publish(
        "reliability",
        "sessions",
        f"{count} sessions that watched a run for {duration(seconds)} opened {len(opened)} pages, 95 % of them within "
        f"{percentile_95(opened):.1f} s. There was no error, and no epoch was lost "
        "([`benchmarks/sessions.py`](../benchmarks/results/sessions.md)).",
    )


def wait_until(condition: Callable[[], object], seconds: float = 300.0) -> None:
    """Wait until ``condition()`` is true. Raises TimeoutError after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"The condition did not become true within {seconds:g} s.")
        time.sleep(0.1)


def report(sessions: list[Session], seconds: float, epochs: int, lost: int) -> str:
    """Return the table as Markdown."""
    errors = [error for session in sessions for error in session.errors]
    lines = [
        f"{heading()}: {len(sessions)} sessions for {duration(seconds)} while a run trained {epochs} epochs. "
        "Seconds: median / 95th percentile / longest (n).",
        "",
        "| page | page opened | fragment refreshed |",
        "| --- | --- | --- |",
    ]
    all_opened: list[float] = []
    all_refreshed: list[float] = []
    for page in dict.fromkeys(PAGES):
        opened = [time for session in sessions for time in session.opened.get(page, [])]
        refreshed = [time for session in sessions for time in session.refreshed.get(page, [])]
        lines.append(f"| {page or 'home'} | {times_text(opened)} | {times_text(refreshed)} |")
        all_opened += opened
        all_refreshed += refreshed
    lines += [f"| all | {times_text(all_opened)} | {times_text(all_refreshed)} |", ""]
    lines += [f"Errors: {len(errors)}. Epochs lost: {lost}.", *(f"- {error}" for error in dict.fromkeys(errors))]
    return "\n".join(lines)


def times_text(times: list[float]) -> str:
    """Return median, 95th percentile, longest and number of ``times``, or a dash for fewer than two."""
    if len(times) < 2:
        return "–"
    return f"{statistics.median(times):.2f} / {percentile_95(times):.2f} / {max(times):.2f} ({len(times)})"


if __name__ == "__main__":
    main()
