"""How good the expected time is: three different small runs, predicted and then taken.

    python -m benchmarks.estimate [train.threads=1 …]

Each config is predicted twice, from a probe of its own network (what "Measure on this machine" does) and
by scaling the probe of the first; then it is trained in a temporary folder, and the time it took is
compared. Wanted are 25 % on a machine that does nothing else; other work makes runs slower than any
estimate. Settings apply to all three; one thread disturbs and is disturbed less. Two minutes on two processors.
"""

import sys
import tempfile
from pathlib import Path

from core.config import RunConfig
from core.estimate import estimate, remember
from core.presets import PRESETS
from core.probe import measure
from core.runner import run
from core.store import RunStore

CONFIGS = {
    "20 layers, batch 32": PRESETS["quick"].config,
    "8 layers, batch 128": PRESETS["fast"].config.set_from_text(
        ["model.depth=8", "data.train_size=12000", "train.epochs=3", "train.batch_size=128", "train.averaging=off",
         "train.warmup_epochs=1"]
    ),
    "32 layers, width 8, the report's": PRESETS["report"].config.set_from_text(
        ["model.depth=32", "model.width=8", "data.train_size=6000", "data.test_size=1000", "train.epochs=3",
         "train.batch_size=64"]
    ),
}  # fmt: skip


def compare(name: str, config: RunConfig, store: RunStore, scaled_from: RunStore) -> None:
    """Print a row: predicted by measuring and by scaling, taken, and both ratios."""
    measure(config, store)
    measured, scaled = estimate(config, store), estimate(config, scaled_from)
    run_id = store.create(config)
    status = run(store, run_id)
    if status.state != "finished" or status.finished_at is None or status.started_at is None:
        raise SystemExit(f"{name} did not finish: {status.error}")
    taken = status.finished_at - status.started_at
    store.trash(run_id)  # the next is predicted from probes alone
    predicted = [one.seconds or 0.0 for one in (measured, scaled)]
    ratios = "".join(f"{taken / one:>12.2f}" for one in predicted)
    print(f"{name:<34}{predicted[0]:>9.1f} s{predicted[1]:>9.1f} s{taken:>9.1f} s{ratios}", flush=True)


def main() -> None:
    """Print the comparison."""
    configs = {name: config.set_from_text(sys.argv[1:]).checked() for name, config in CONFIGS.items()}
    with tempfile.TemporaryDirectory() as folder:
        store, first = RunStore(Path(folder) / "all"), RunStore(Path(folder) / "first")
        remember(first, measure(next(iter(configs.values())), store))
        print(f"{'config':<34}{'measured':>11}{'scaled':>11}{'taken':>11}{'/measured':>12}{'/scaled':>12}", flush=True)
        for name, config in configs.items():
            compare(name, config, store, first)


if __name__ == "__main__":
    main()
