"""How good a preset gets in how many minutes: seeds trained to their end, a curve, and a table.

    python -m benchmarks.time_to_accuracy [PRESET …] [--seeds 3] [--go-on] [--precision fp32]

What counts is the accuracy of the last epoch on the 10,000 official test images, which the run touches once, at its
end: nothing is chosen on them, and nothing is averaged at test time. The curve is of the held-out images. Before and
after each run the plain loop (benchmarks/plain.py) trains for a moment; the run's time is told as a ratio to that in
which the plain loop would do 9 epochs of the 50,000 images, because machines and their neighbours differ.

Every run is also one of the laboratory's own. A line of results/time_to_accuracy.jsonl keeps what it came to, with
all its epochs; the table is of all lines with the preset's present settings, machine by machine, so that one run more,
by ``--seeds 1``, stands beside those before and is told whether it lies among them. Runs of the same recipe in other
numbers of epochs have rows of their own: what was seen before the preset's number was chosen is not left out. Writes
results/time_to_accuracy.md, docs/time-to-accuracy.png, and the README's part.
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
    machine_text,
    plain_speed,
    publish,
    spread_text,
    trained_epochs,
)
from core.base.paths import PROJECT, runs_folder
from core.config.presets import PRESETS, preset
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

PICTURE = PROJECT / "docs" / "time-to-accuracy"
#: Epochs of the plain loop in twenty minutes on the machine for which the goal was set.
PLAIN_EPOCHS, PLAIN_IMAGES = 9, 50_000
KEPT = ["epoch", "seconds", "lr", "images_per_second", "train_loss", "train_accuracy", "val_loss", "val_accuracy"]


def trained(store: RunStore, name: str, config: RunConfig, workers: int) -> dict[str, Any]:
    """Train a preset's ``config`` between two moments of the plain loop; what is noted of it."""
    before = plain_speed(128, workers)
    run_id = store.create(config, name=f"{name}, seed {config.train.seed}", tags=("time to accuracy",))

    def tell(record: EpochRecord) -> None:
        print(f"  {name} seed {config.train.seed} epoch {record.epoch}: {record.val_accuracy:.2%}, "
              f"{record.seconds / 60:.1f} min", flush=True)  # fmt: skip

    status = run(store, run_id, on_epoch=tell)
    result = store.run(run_id).result()
    if status.state != "finished" or result is None:
        raise SystemExit(status.error)
    after = plain_speed(128, workers)
    wall = (status.finished_at or 0.0) - (status.started_at or 0.0)
    return {
        "preset": name,
        "seed": config.train.seed,
        "settings": config.replace({"train.seed": 0, "train.precision": "auto"}).signature(),
        "run": run_id,
        "machine": machine_text(resolve(config)),
        "date": time.strftime("%Y-%m-%d"),
        "accuracy": result["last"]["accuracy"],
        "seconds": wall,
        "plain": [before, after],
        "ratio": wall * statistics.mean((before, after)) / (PLAIN_EPOCHS * PLAIN_IMAGES),
        "epochs": store.metrics(run_id)[KEPT].round(5).to_dict("list"),
    }


def present(name: str) -> list[dict[str, Any]]:
    """The runs noted of a preset as it is now."""
    return [one for one in accuracy_notes(name) if trained_epochs(one) == preset(name).config.train.epochs]


def compared(note: dict[str, Any], others: list[dict[str, Any]]) -> str:
    """Whether a run lies among the others, in a sentence."""
    told_of = f"{note['preset']} seed {note['seed']}: {note['accuracy']:.2%} on the test images"
    accuracies = [one["accuracy"] for one in others]
    if len(accuracies) < 2:
        return f"{told_of}."
    mean, sd = statistics.mean(accuracies), statistics.stdev(accuracies)
    return f"{told_of}; {(note['accuracy'] - mean) / sd:+.1f} standard deviations from the {len(others)} before."


def row(name: str, own: list[dict[str, Any]]) -> str:
    """A preset's line of the table."""
    accuracies = [one["accuracy"] for one in own]
    sd = f" ± {100 * statistics.stdev(accuracies):.2f}" if len(own) > 1 else ""
    cells = [
        f"`{name}`",
        str(trained_epochs(own[0])),
        str(len(own)),
        f"**{statistics.mean(accuracies):.2%}**{sd} ({', '.join(f'{one:.2%}' for one in accuracies)})",
        spread_text([one["seconds"] / 60 for one in own], 1),
        spread_text([one["ratio"] for one in own], 2),
        f"{own[0]['machine']}, {', '.join(dict.fromkeys(one['date'] for one in own))}",
    ]
    return f"| {' | '.join(cells)} |"


def groups(name: str) -> list[list[dict[str, Any]]]:
    """What is noted of a preset's recipe, a list for each number of epochs and machine; the preset's own come first."""
    found: dict[tuple[int, str], list[dict[str, Any]]] = {}
    own = preset(name).config.train.epochs
    for one in sorted(accuracy_notes(name), key=lambda one: trained_epochs(one) != own):
        found.setdefault((trained_epochs(one), one["machine"]), []).append(one)
    return list(found.values())


def write() -> None:
    """The table, the README's part and the curve, of all that is noted of all presets."""
    names = [name for name in PRESETS if present(name)]
    lines = [
        "| preset | epochs | runs | test accuracy of the last epoch, % | minutes | to 9 plain epochs | where, when |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(row(name, own) for name in names for own in groups(name)),
        "",
        "Accuracy: mean ± standard deviation (each run); minutes and ratios: median (least–most). "
        f"The presets are {' and '.join(f'`{one}` in {preset(one).config.train.epochs} epochs' for one in names)}; the "
        "curves are of each one's first row. The other rows are of the same recipe, elsewhere, in another precision or "
        "in another number of epochs.",
    ]
    print("\n".join(lines), flush=True)
    (RESULTS / "time_to_accuracy.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    publish(
        "speed", "time_to_accuracy", "\n".join([*lines, "", f"![Held-out accuracy by minutes]({PICTURE.name}.png)"])
    )
    every = [one for name in names for one in groups(name)[0]]
    colour = curves_views.colours([one["run"] for one in every])
    curves = [
        RunCurves.of(one["run"], f"{one['preset']}, {one['machine'].rpartition(', ')[2]}, seed {one['seed']}",
                     preset(one["preset"]).config, pd.DataFrame(one["epochs"]), colour[one["run"]])
        for one in every
    ]  # fmt: skip
    draw([(PICTURE, curves_figures.accuracy(curves, View(x="seconds", train=False, chance=False)))])
    PICTURE.with_suffix(".svg").unlink()  # the README shows the PNG


def main() -> None:
    """Train, note, draw, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", nargs="*", default=["fast", "fast-10"])
    parser.add_argument("--seeds", type=int, default=3, help="seeds 0 to N − 1; 0 only draws and writes anew")
    parser.add_argument("--go-on", action="store_true", help="do not train a seed again that is noted here already")
    parser.add_argument("--precision", choices=("auto", "fp32", "bf16"), default="auto")
    args = parser.parse_args()
    store = RunStore(runs_folder())
    workers = best_workers(128) if args.seeds else 0
    for name in args.presets:
        for seed in range(args.seeds):
            config = preset(name).config.replace({"train.seed": seed, "train.precision": args.precision})
            here = machine_text(resolve(config))
            before = [one for one in present(name) if one["machine"] == here]
            if args.go_on and any(one["seed"] == seed for one in before):
                continue
            note = trained(store, name, config, workers)
            with ACCURACY_NOTES.open("a", encoding="utf-8") as file:
                file.write(json.dumps(note) + "\n")
            print(compared(note, before), flush=True)
    write()


if __name__ == "__main__":
    main()
