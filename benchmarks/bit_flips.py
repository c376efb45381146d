"""Flip single bits in the files of runs, use the runs as the program does, and count the flips that it notices.

    python -m benchmarks.bit_flips [--flips 1000] [--seed 0]     # writes results/bit_flips.md and docs/reliability.md

A finished and a stopped run are trained. Then, many times over, one bit of one file is flipped, the run is used, and
the bit is flipped back: half of the times in a file that is drawn first, so that small files have their share, and half
of the times at a bit that is drawn from all bits of all files. A flip counts as noticed if a message names the file.
The run is listed, its log and its predictions are read, its weights are loaded, and its saved states are read as for
resuming it.
"""

import argparse
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common import RESULTS, heading, publish
from core.base.errors import LabError
from core.config.run_config import RunConfig
from core.images.classify import Classifier
from core.jobs.runner import run
from core.runs.store import RunStore
from core.training.checkpoint import load_state

#: A small network on few images: what the files hold is the same, and a thousand of them can be read in a minute.
SETTINGS = (
    *("data.train_size=400", "data.validation_size=100", "data.test_size=100", "model.depth=8", "model.width=4"),
    *("train.epochs=3", "train.batch_size=60", "train.warmup_epochs=1", "train.threads=1", "train.precision=fp32"),
)
#: The ways to draw a flip, and what they are called in the table.
WAYS = {"file": "file drawn first", "byte": "bit drawn from all"}


@dataclass(frozen=True)
class Flip:
    """A flipped bit of a file of a run, and what the program said."""

    way: str
    path: Path
    bit: int
    said: list[str]

    @property
    def noticed(self) -> bool:
        """Whether a message names the file and the run."""
        return any(self.path.name in text and self.path.parent.name in text for text in self.said)


def make_runs(store: RunStore) -> list[str]:
    """Train a run to its end and another one until it is stopped after two epochs; return their ids."""
    config = RunConfig().set_from_text(list(SETTINGS)).checked()
    finished, stopped = store.create(config), store.create(config)
    run(store, finished)
    run(store, stopped, on_epoch=lambda record: record.epoch == 2 and store.queue.request_stop(stopped))
    states = [store.run(run_id).status().state for run_id in (finished, stopped)]
    if states != ["finished", "stopped"]:
        raise SystemExit(f"The runs are {' and '.join(states)}; one should be finished and one stopped.")
    return [finished, stopped]


def messages(root: Path, run_id: str) -> list[str]:
    """Use the files of a run as the program does, with nothing kept in memory, and return what it complains about."""
    store = RunStore(root)
    run = store.run(run_id)

    def states() -> None:
        for name in run.states():
            load_state(run.read_state(name), run_id, run.config(), name=name)

    uses: tuple[Callable[[], object], ...] = (
        lambda: store.summary(run_id),
        lambda: store.metrics(run_id),
        lambda: Classifier.load(store, run_id),
        lambda: store.predictions(run_id),
        states,
    )
    said = [text for text in run.log().splitlines()[:1] if "damaged" in text or "belongs" in text]
    for use in uses:
        try:
            use()
        except LabError as error:
            said.append(str(error))
    return said


def flips(root: Path, run_ids: Sequence[str], count: int, seed: int) -> Iterator[Flip]:
    """Flip ``count`` bits in each of the ways :data:`WAYS`, one after the other; each is flipped back."""
    rng = random.Random(seed)
    paths = sorted(path for run_id in run_ids for path in (root / run_id).iterdir() if path.stat().st_size)
    sizes = [path.stat().st_size for path in paths]
    for way in WAYS:
        for _ in range(count):
            path = rng.choice(paths) if way == "file" else rng.choices(paths, sizes)[0]
            content = path.read_bytes()
            bit = rng.randrange(8 * len(content))
            changed = bytearray(content)
            changed[bit // 8] ^= 1 << bit % 8
            path.write_bytes(changed)
            try:
                yield Flip(way, path, bit, messages(root, path.parent.name))
            finally:
                path.write_bytes(content)


def table(done: Sequence[Flip]) -> str:
    """Return how many flips were noticed, by file and by the way they were drawn, as Markdown."""
    drawn = Counter((flip.path.name, flip.way) for flip in done)
    noticed = Counter((flip.path.name, flip.way) for flip in done if flip.noticed)
    rows = [("file", *WAYS.values()), ("---", *("---" for _ in WAYS))]
    for name in sorted({flip.path.name for flip in done}):
        rows.append((f"`{name}`", *(f"{noticed[name, way]:,} of {drawn[name, way]:,}" for way in WAYS)))
    sums = [[flip.noticed for flip in done if flip.way == way] for way in WAYS]
    rows.append(("**all files**", *(f"**{sum(each):,} of {len(each):,}**" for each in sums)))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> int:
    """Flip the bits and write the table; return 1 if a flip was not noticed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flips", type=int, default=1_000, metavar="N", help="flips of each way (default: 1000)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the draws (default: 0)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = RunStore(Path(folder) / "runs")
        run_ids = make_runs(store)
        if said := [text for run_id in run_ids for text in messages(store.root, run_id)]:
            raise SystemExit(f"Something is wrong before the first flip: {said}")
        done = list(flips(store.root, run_ids, args.flips, args.seed))
    missed = [flip for flip in done if not flip.noticed]
    text = f"{table(done)}\n\nA finished and a stopped run, one flipped bit at a time, seed {args.seed}; {heading()}.\n"
    print(text)
    for flip in missed[:20]:
        print(f"not noticed: bit {flip.bit} of {flip.path.name}", file=sys.stderr)
    (RESULTS / "bit_flips.md").write_text(text, encoding="utf-8")
    publish("reliability", "bit_flips", text)
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
