"""Ten people look on while a run trains: what they wait for a page, and whether anything goes wrong.

Each session is a browser's connection without the browser, whose drawing would take the two cores that are to be
measured: a websocket that speaks Streamlit's protocol, opens the pages in turn, and asks for every part that is to
be redrawn when the server said it should. A page's time is from the request to the end of its script, all of its
messages received. It fails if a page shows a traceback, a connection breaks or an epoch is missing.

    python -m benchmarks.sessions [sessions] [seconds]     # writes results/sessions.md and a line of the README
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

from benchmarks.common import RESULTS, heading, percentile_95, publish, start_server
from core.base.text import duration
from core.config.presets import PRESETS
from core.runs.store import RunStore

PAGES = ("", "run", "compare", "new_run", "dataset", "run")
#: A person looks at a page for so long before the next, in seconds.
STAYS = 6.0


@dataclass
class Session:
    """One person's tab. ``opened`` and ``redrawn`` hold seconds by page; ``errors`` whatever went wrong."""

    address: str
    run_id: str
    stays: float = STAYS
    pages: tuple[str, ...] = PAGES
    opened: dict[str, list[float]] = field(default_factory=dict)
    redrawn: dict[str, list[float]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    def look_on(self, ended: threading.Event) -> None:
        """Open page after page until ``ended``."""
        try:
            with connect(self.address, subprotocols=["streamlit"], max_size=None) as line:  # type: ignore[list-item]
                at = 0
                while not ended.is_set():
                    self._stay(line, self.pages[at % len(self.pages)], ended)
                    at += 1
        except Exception as error:  # told by the one who waits for all
            self.errors.append(f"{type(error).__name__}: {error}")

    def _stay(self, line: ClientConnection, page: str, ended: threading.Event) -> None:
        """Open a page, then redraw its parts as often as it asks for."""
        parts: dict[str, float] = {}
        seconds = self._run(line, page, None, parts)
        self.opened.setdefault(page, []).append(seconds)
        leaves, due = time.monotonic() + self.stays, {one: time.monotonic() + wait for one, wait in parts.items()}
        while time.monotonic() < leaves and not ended.wait(0.05):
            for one in [one for one, at in due.items() if at <= time.monotonic()]:
                if one in parts:
                    self.redrawn.setdefault(page, []).append(self._run(line, page, one, parts))
                    due[one] = time.monotonic() + parts.get(one, self.stays)
            due = {one: due.get(one, time.monotonic() + wait) for one, wait in parts.items()}

    def _run(self, line: ClientConnection, page: str, part: str | None, parts: dict[str, float]) -> float:
        """Ask for a page or a part of it; seconds until its script has ended. ``parts`` learns what to redraw when."""
        ask = BackMsg()
        ask.rerun_script.page_name, ask.rerun_script.query_string = page, f"run={self.run_id}&runs={self.run_id}"
        if part:
            ask.rerun_script.fragment_id, ask.rerun_script.is_auto_rerun = part, True
        began, runs = time.monotonic(), 0
        line.send(ask.SerializeToString())
        while True:
            told = ForwardMsg.FromString(line.recv(timeout=60))  # type: ignore[arg-type]
            kind = told.WhichOneof("type")
            if kind == "delta" and told.delta.new_element.WhichOneof("type") == "exception":
                self.errors.append(f"/{page}: {told.delta.new_element.exception.message}")
            elif kind == "page_not_found":
                self.errors.append(f"/{page} is not there")
            elif kind == "new_session":
                runs += 1
                if runs > bool(part):  # the whole page, as asked or after its part, says anew what is to be redrawn
                    parts.clear()
            elif kind == "auto_rerun":
                parts[told.auto_rerun.fragment_id] = told.auto_rerun.interval
            elif kind == "script_finished" and told.script_finished not in (
                ForwardMsg.FINISHED_EARLY_FOR_RERUN,
                ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY if not part else -1,
            ):
                if told.script_finished == ForwardMsg.FINISHED_WITH_COMPILE_ERROR:
                    self.errors.append(f"/{page} cannot be compiled")
                return time.monotonic() - began


def look_on(address: str, run_id: str, sessions: int, ended: threading.Event, stays: float = STAYS) -> list[Session]:
    """So many sessions at once, each beginning with another page, until ``ended``."""
    turned = [PAGES[at % len(PAGES) :] + PAGES[: at % len(PAGES)] for at in range(sessions)]
    found = [Session(address, run_id, stays, pages) for pages in turned]
    threads = [threading.Thread(target=one.look_on, args=(ended,)) for one in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def main() -> None:
    """Measure, print a table and keep it."""
    sessions, seconds = (int(one) for one in (*sys.argv[1:], *("10", "120")[len(sys.argv) - 1 :]))
    with tempfile.TemporaryDirectory() as folder:
        store = RunStore(folder)
        small = {"data.train_size": 2_000, "data.validation_size": 500, "data.test_size": 500, "train.epochs": 10_000}
        quick = PRESETS["quick"].config.replace({**small, "model.depth": 8, "train.warmup_epochs": 0.0})
        run_id = store.create(quick.checked(), name="watched")
        server, address = start_server(store.root)
        try:
            wait_until(lambda: store.run(run_id).status().epoch >= 1)
            before, ended = store.run(run_id).status().epoch, threading.Event()
            threading.Timer(seconds, ended.set).start()
            found = look_on(f"ws{address.removeprefix('http')}/_stcore/stream", run_id, sessions, ended)
            after = store.run(run_id).status()
            store.queue.request_stop(run_id)
            wait_until(lambda: store.run(run_id).status().state == "stopped")
        finally:
            server.terminate()
            server.wait()
        kept = [one.epoch for one in store.run(run_id).records()]
        lost = store.run(run_id).status().epoch - len(kept)
    told = report(found, seconds, after.epoch - before, lost)
    print(told)
    (RESULTS / "sessions.md").write_text(told + "\n", encoding="utf-8")
    if lost or any(one.errors for one in found) or kept != list(range(1, len(kept) + 1)):
        sys.exit(1)
    opened = [time for one in found for times in one.opened.values() for time in times]
    held = f"{len(found)} sessions looking on for {duration(seconds)} while a run trains: no error, no epoch lost"
    pages = f"{len(opened)} pages opened, 95 % of them within {percentile_95(opened):.1f} s"
    publish(
        "reliability", "sessions", f"{held}; {pages} ([`benchmarks/sessions.py`](../benchmarks/results/sessions.md))."
    )


def wait_until(what: Callable[[], object], seconds: float = 300.0) -> None:
    """Wait until ``what()`` is true."""
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            raise TimeoutError("waited in vain")
        time.sleep(0.1)


def report(found: list[Session], seconds: float, epochs: int, lost: int) -> str:
    """The figures as Markdown."""
    errors = [error for one in found for error in one.errors]
    rows = []
    for page in dict.fromkeys(PAGES):
        opened = [time for one in found for time in one.opened.get(page, [])]
        redrawn = [time for one in found for time in one.redrawn.get(page, [])]
        rows.append(f"| {page or 'home'} | {figures(opened)} | {figures(redrawn)} |")
    all_opened = [time for one in found for times in one.opened.values() for time in times]
    all_redrawn = [time for one in found for times in one.redrawn.values() for time in times]
    return "\n".join([
        f"{heading()}: {len(found)} sessions for {duration(seconds)} "
        f"while a run trained {epochs} epochs",
        "",
        "| page | opened, seconds: median / 95 % / most (n) | a part redrawn |",
        "| --- | --- | --- |",
        *rows,
        f"| all | {figures(all_opened)} | {figures(all_redrawn)} |",
        "",
        f"Errors: {len(errors)}. Epochs lost: {lost}.",
        *(f"- {error}" for error in dict.fromkeys(errors)),
    ])  # fmt: skip


def figures(times: list[float]) -> str:
    """Median, 95th percentile, most and number."""
    if len(times) < 2:
        return "–"
    return f"{statistics.median(times):.2f} / {percentile_95(times):.2f} / {max(times):.2f} ({len(times)})"


if __name__ == "__main__":
    main()
