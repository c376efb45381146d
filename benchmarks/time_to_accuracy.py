"""How good a preset gets in how many minutes: seeds trained to their end, a curve, and a table.

    python -m benchmarks.time_to_accuracy [PRESET …] [--seeds 3]

What counts is the accuracy of the last epoch on the 10,000 official test images, which the run touches once, at its
end: nothing is chosen on them, and nothing is averaged at test time. The curve is of the held-out images. Runs go into
the laboratory's own folder, where a finished one is found again by its settings and not trained anew. Before and after
each run the plain loop (benchmarks/plain.py) trains for a moment; the run's time is told as a ratio to that in which
the plain loop would do 9 epochs of the 50,000 images, because machines and their neighbours differ. Writes
benchmarks/results/time_to_accuracy.md and docs/time-to-accuracy.svg, .png.
"""

import argparse
import json
import statistics
import time
from typing import Any

from benchmarks.throughput import best_workers, of, told
from core import figures
from core.figures import RunCurves, View
from core.presets import preset
from core.runner import run
from core.settings import PROJECT, runs_folder
from core.store import RunStore
from core.study_report import draw
from core.training.environment import processor_name, resolve

RESULTS = PROJECT / "benchmarks" / "results"
#: Epochs of the plain loop in twenty minutes on the machine for which the goal was set.
PLAIN_EPOCHS, PLAIN_IMAGES = 9, 50_000


def trained(store: RunStore, name: str, seed: int, workers: int) -> str:
    """The finished run of a preset and seed, trained now if there is none; its ratio is noted beside the results."""
    config = preset(name).config.replace({"train.seed": seed})
    for run_id in store.frame()["id"]:
        finished = store.status(run_id).state == "finished"
        if finished and store.config(run_id).signature() == config.signature():
            return str(run_id)
    before = of("plain", "128", str(workers))["training"]
    run_id = store.create(config, name=f"{name}, seed {seed}", tags=("time to accuracy",))

    def tell(line: dict[str, Any]) -> None:
        at = f"{line['val_accuracy']:.2%}, {line['seconds'] / 60:.1f} min"
        print(f"  {name} seed {seed} epoch {line['epoch']}: {at}", flush=True)

    status = run(store, run_id, on_epoch=tell)
    if status.state != "finished":
        raise SystemExit(status.error)
    after = of("plain", "128", str(workers))["training"]
    wall = (status.finished_at or 0.0) - (status.started_at or 0.0)
    goal = PLAIN_EPOCHS * PLAIN_IMAGES / statistics.mean((before, after))
    note = {"run": run_id, "seconds": wall, "plain": [before, after], "ratio": wall / goal}
    with (RESULTS / "time_to_accuracy.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(note) + "\n")
    return run_id


def notes() -> dict[str, dict[str, float]]:
    """What was noted of each run, by its id."""
    path = RESULTS / "time_to_accuracy.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return {one["run"]: one for one in map(json.loads, lines)}


def table(store: RunStore, found: dict[str, list[str]]) -> list[str]:
    """A row for each preset."""
    noted = notes()
    rows = [
        "| preset | epochs | seeds | test accuracy of the last epoch: mean (each) | minutes | to 9 plain epochs |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, run_ids in found.items():
        accuracies = [(store.result(run_id) or {})["last"]["accuracy"] for run_id in run_ids]
        each = ", ".join(f"{one:.2%}" for one in accuracies)
        own = [noted[run_id] for run_id in run_ids if run_id in noted]
        minutes = told([one["seconds"] / 60 for one in own], 1) if own else "not measured"
        ratio = told([one["ratio"] for one in own], 2) if own else "–"
        told_of = f"**{statistics.mean(accuracies):.2%}** ({each}) | {minutes} | {ratio}"
        rows.append(f"| `{name}` | {preset(name).config.train.epochs} | {len(run_ids)} | {told_of} |")
    return rows


def main() -> None:
    """Train what is missing, draw, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", nargs="*", default=["fast"])
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    store = RunStore(runs_folder())
    workers = best_workers(128)
    found: dict[str, list[str]] = {}
    for name in args.presets:
        for seed in range(args.seeds):
            found.setdefault(name, []).append(trained(store, name, seed, workers))
        environment = resolve(preset(name).config)
        lines = [
            f"{processor_name()}, {environment.threads} threads, {environment.precision}, {time.strftime('%Y-%m-%d')}; "
            "median (least–most)",
            "",
            *table(store, found),
        ]
        print("\n".join(lines), flush=True)
        (RESULTS / "time_to_accuracy.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    every = [run_id for run_ids in found.values() for run_id in run_ids]
    colour = figures.colours(every)
    curves = [
        RunCurves.of(run_id, store.meta(run_id).name, store.config(run_id), store.metrics(run_id), colour[run_id])
        for run_id in every
    ]
    draw(
        [
            (
                PROJECT / "docs" / "time-to-accuracy",
                figures.accuracy(curves, View(x="seconds", train=False, chance=False)),
            )
        ]
    )


if __name__ == "__main__":
    main()
