"""Measure what accuracy a preset reaches in how many minutes: several seeds trained to the end, a table and a chart.

    python -m benchmarks.time_to_accuracy [PRESET …] [--seeds 3] [--go-on] [--precision fp32]
    python -m benchmarks.time_to_accuracy --runs RUN …

The table gives the accuracy of the last epoch on the 10,000 official test images, which each run uses once, at its end:
nothing is chosen on them, and nothing is averaged at test time. The chart shows the held-out images. Before and after
each run the plain loop (benchmarks/plain.py) trains for a moment. The time of the run is also given as a ratio to the
time in which the plain loop would train 9 epochs of 50,000 images, because computers and their load differ.

The runs are stored in the runs folder like any other. results/time_to_accuracy.jsonl keeps a line with the outcome and
all epochs of each. The table has a row for each number of epochs, machine and precision, made from all lines with the
preset's current recipe, so a run can be added later (``--seeds 1``) and is compared with the earlier runs. The number
of threads changes only rounding, so it does not make another row. Runs of the same recipe with other numbers of epochs
or of held-out images have rows of their own. The number of epochs was chosen after seeing some of them.
``--runs`` records finished runs of a preset that this machine trained in another way, for example while it was busy:
their accuracy counts, their time does not.

Writes results/time_to_accuracy.md, docs/time-to-accuracy.png and docs/speed.md.
"""

import argparse
import json
import statistics
import time
from typing import Any

import pandas as pd

from benchmarks.common import (
    ACCURACY_NOTES,
    RESULTS,
    accuracy_notes,
    best_workers,
    held_out,
    machine_text,
    plain_speed,
    publish,
    spread_text,
    trained_epochs,
)
from core.base.paths import PROJECT, runs_folder
from core.config.presets import PRESETS, nearest, preset
from core.config.run_config import RunConfig
from core.figures import curves as curves_figures
from core.figures.panels import draw
from core.figures.style import View
from core.jobs.runner import run
from core.records import EpochRecord
from core.runs.store import RunStore
from core.training.environment import resolve
from core.views import curves as curves_views
from core.views.curves import RunCurves

CHART = PROJECT / "docs" / "time-to-accuracy"
#: What the plain loop trains in twenty minutes on the machine for which the goal was set.
PLAIN_EPOCHS, PLAIN_IMAGES = 9, 50_000
#: Columns of a run's epochs that its line keeps.
COLUMNS = ["epoch", "seconds", "lr", "images_per_second", "train_loss", "train_accuracy", "val_loss", "val_accuracy"]


def train(store: RunStore, name: str, config: RunConfig, workers: int) -> dict[str, Any]:
    """Train a preset's ``config``, with the plain loop before and after it; return the line to record."""
    before = plain_speed(128, workers)
    run_id = store.create(config, name=f"{name}, seed {config.train.seed}", tags=("time to accuracy",))

    def print_epoch(record: EpochRecord) -> None:
        progress = f"{record.val_accuracy:.2%}, {record.seconds / 60:.1f} min"
        print(f"  {name} seed {config.train.seed} epoch {record.epoch}: {progress}", flush=True)

    status = run(store, run_id, on_epoch=print_epoch)
    if status.state != "finished":
        raise SystemExit(status.error)
    after = plain_speed(128, workers)
    wall = (status.finished_at or 0.0) - (status.started_at or 0.0)
    return {
        **recorded(store, name, run_id),
        "seconds": wall,
        "plain": [before, after],
        "ratio": wall * statistics.mean((before, after)) / (PLAIN_EPOCHS * PLAIN_IMAGES),
    }


def recorded(store: RunStore, name: str, run_id: str) -> dict[str, Any]:
    """Return the line of a finished run of a preset, without its time."""
    run, result = store.run(run_id), store.run(run_id).result()
    if result is None:
        raise SystemExit(f"Run {run_id} has no test result: it is {run.status().state}.")
    config = run.config()
    return {
        "preset": name,
        "seed": config.train.seed,
        "settings": config.replace({"train.seed": 0}).signature(),
        "run": run_id,
        "machine": machine_text(resolve(config, run.meta().environment)),
        "date": time.strftime("%Y-%m-%d", time.localtime(run.status().finished_at)),
        "accuracy": result["last"]["accuracy"],
        "epochs": store.metrics(run_id)[COLUMNS].round(5).to_dict("list"),
    }


def keep(note: dict[str, Any]) -> None:
    """Add a line to the recorded runs."""
    with ACCURACY_NOTES.open("a", encoding="utf-8") as file:
        file.write(json.dumps(note) + "\n")


def current_notes(name: str) -> list[dict[str, Any]]:
    """Return the recorded runs of a preset as it is now: its number of epochs and of held-out images."""
    return [note for note in accuracy_notes(name) if note["settings"] == preset(name).config.signature()]


def comparison_text(note: dict[str, Any], earlier: list[dict[str, Any]]) -> str:
    """Return a sentence with a run's accuracy and its distance from the mean of the earlier runs."""
    outcome = f"{note['preset']} seed {note['seed']}: {note['accuracy']:.2%} of the test images"
    accuracies = [run["accuracy"] for run in earlier]
    if len(accuracies) < 2:
        return f"{outcome}."
    mean, sd = statistics.mean(accuracies), statistics.stdev(accuracies)
    distance = (note["accuracy"] - mean) / sd
    return f"{outcome}; {distance:+.1f} standard deviations from the mean of the {len(earlier)} earlier runs."


def row(name: str, notes: list[dict[str, Any]]) -> str:
    """Return the row of a preset's recorded runs with one number of epochs and of held-out images on one machine.

    The last cell names the numbers of threads; those of the runs whose time was measured come first.
    """
    accuracies = [note["accuracy"] for note in notes]
    sd = f" ± {100 * statistics.stdev(accuracies):.2f}" if len(notes) > 1 else ""
    timed = [note for note in notes if "seconds" in note]
    threads = dict.fromkeys(_machine(note)[1] for note in (*timed, *notes))
    machine, _, precision = _machine(notes[0])
    cells = [
        f"`{name}`",
        str(trained_epochs(notes[0])),
        f"{held_out(notes[0]):,}",
        str(len(notes)),
        f"**{statistics.mean(accuracies):.2%}**{sd} ({', '.join(f'{accuracy:.2%}' for accuracy in accuracies)})",
        _minutes_text(timed, len(notes)),
        spread_text([note["ratio"] for note in timed], 2) if timed else "–",
        f"{machine}, {' and '.join(threads)}, {precision}, {', '.join(dict.fromkeys(note['date'] for note in notes))}",
    ]
    return f"| {' | '.join(cells)} |"


def _machine(note: dict[str, Any]) -> tuple[str, str, str]:
    """Return the processor, the threads and the precision of a recorded run, as :func:`machine_text` writes them."""
    processor, threads, precision = note["machine"].rsplit(", ", 2)
    return processor, threads, precision


def _minutes_text(timed: list[dict[str, Any]], runs: int) -> str:
    if not timed:
        return "not measured"
    some = f", n = {len(timed)}" if len(timed) < runs else ""
    return spread_text([note["seconds"] / 60 for note in timed], 1) + some


def groups(name: str) -> list[list[dict[str, Any]]]:
    """Return a preset's recorded runs by epochs, held-out images and machine; the preset as it is now comes first."""
    by_kind: dict[tuple[int, int | None, str, str], list[dict[str, Any]]] = {}
    own = preset(name).config.signature()
    for note in sorted(accuracy_notes(name), key=lambda note: note["settings"] != own):
        processor, _, precision = _machine(note)
        by_kind.setdefault((trained_epochs(note), held_out(note), processor, precision), []).append(note)
    return list(by_kind.values())


def write() -> None:
    """Write the table, its section of docs/speed.md and the chart from all recorded runs."""
    names = [name for name in PRESETS if current_notes(name)]
    epochs = " and ".join(f"`{name}` has {preset(name).config.train.epochs} epochs" for name in names)
    lines = [
        "| preset | epochs | held out | runs | test accuracy, last epoch | minutes | ratio to 9 plain epochs "
        "| machine, date |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        *(row(name, notes) for name in names for notes in groups(name)),
        "",
        "Accuracy: mean ± standard deviation in percentage points (each run); minutes and ratio: median "
        f"(lowest–highest). The preset {epochs}; the chart shows the first row of each that has a time. The other rows "
        "are the same recipe on another machine, in another precision, with another number of epochs or of held-out "
        "images.",
    ]
    print("\n".join(lines), flush=True)
    (RESULTS / "time_to_accuracy.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    chart = f"![Accuracy on the held-out images by minutes of training]({CHART.name}.png)"
    publish("speed", "time_to_accuracy", "\n".join([*lines, "", chart]))
    draw([(CHART, curves_figures.accuracy(curves(names), View(x="seconds", train=False, chance=False)))])
    CHART.with_suffix(".svg").unlink()  # the page shows the PNG


def curves(names: list[str]) -> list[RunCurves]:
    """Return the curves of the runs in the first row of each preset that has a time."""
    timed = [[notes for notes in groups(name) if any("seconds" in note for note in notes)] for name in names]
    notes = [note for rows in timed for note in rows[0] if "seconds" in note]
    marks = curves_views.marks([note["run"] for note in notes])
    return [_curve(note, marks[note["run"]]) for note in notes]


def _curve(note: dict[str, Any], mark: curves_views.Mark) -> RunCurves:
    label = f"{note['preset']}, {note['machine'].rpartition(', ')[2]}, seed {note['seed']}"
    metrics, data = pd.DataFrame(note["epochs"]), preset(note["preset"]).config.data
    best_epoch = int(metrics["epoch"][metrics["val_accuracy"].argmax()])
    return RunCurves(note["run"], label, mark, metrics, data.classes, "held-out", best_epoch)


def main() -> None:
    """Train and record the runs, then write the table and the chart."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", nargs="*", default=["fast", "fast-10"], help="presets to train")
    parser.add_argument("--seeds", type=int, default=3, help="train seeds 0 to N − 1; 0 only writes and draws")
    parser.add_argument("--go-on", action="store_true", help="skip seeds that this machine has recorded")
    parser.add_argument("--precision", choices=("auto", "fp32", "bf16"), default="auto", help="as in a run")
    parser.add_argument("--runs", nargs="*", default=[], help="record these finished runs instead of training")
    args = parser.parse_args()
    store = RunStore(runs_folder())
    for run_id in args.runs:
        keep(recorded(store, nearest(store.run(run_id).config()).name, run_id))
    seeds = 0 if args.runs else args.seeds
    workers = best_workers(128) if seeds else 0
    for name in args.presets:
        for seed in range(seeds):
            config = preset(name).config.replace({"train.seed": seed, "train.precision": args.precision})
            machine = machine_text(resolve(config))
            earlier = [note for note in current_notes(name) if note["machine"] == machine]
            if args.go_on and any(note["seed"] == seed for note in earlier):
                continue
            note = train(store, name, config, workers)
            keep(note)
            print(comparison_text(note, earlier), flush=True)
    write()


if __name__ == "__main__":
    main()
