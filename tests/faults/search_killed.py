"""Fork drivers of a search and kill each at a random moment: ``python -m tests.faults.search_killed FOLDER KILLS``.

The modules are imported once, before the first fork. Each search is driven by one child after the other until it ends;
searches follow until there were so many kills. For each search a line of JSON on stdout has its store and its kills;
the first is never disturbed.
"""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import core.search.suggest  # noqa: F401 - imports Optuna once for all children
from core.runs.store import RunStore
from core.search.store import SearchStore
from tests.faults.killed import ended, forked
from tests.search_made import driven, made_search, started


def killed_search(root: Path, strike: Callable[[int], object]) -> int:
    """Drive a new search, each child until ``strike`` (called with its process id) kills it; return the kills."""
    store, kills = RunStore(root), 0
    search_id = started(store, made_search(trials=12, pruner="median"))

    def work() -> None:
        store.queue.mark_interrupted()  # as a server does at its start
        driven(store, search_id)

    while SearchStore(store).get(search_id).control.going:
        child = forked(work)
        strike(child)
        code = ended(child)
        assert code in (0, -signal.SIGKILL), "the child failed"
        kills += code != 0
    print(json.dumps({"root": str(root), "search": search_id, "kills": kills}), flush=True)
    return kills


def main() -> None:
    folder, wanted = Path(sys.argv[1]), int(sys.argv[2])
    began, rng = time.monotonic(), random.Random(wanted)
    killed_search(folder / "undisturbed", lambda child: None)
    duration, done, number = time.monotonic() - began, 0, 0

    def strike(child: int) -> None:
        time.sleep(rng.uniform(0, 0.6) * duration)
        os.kill(child, signal.SIGKILL)  # it is not waited for yet, so its id is its own

    while done < wanted:
        number += 1
        kills = killed_search(folder / str(number), strike)
        done += kills
        duration *= 1.0 if kills else 0.8  # the machine has become faster


if __name__ == "__main__":
    main()
