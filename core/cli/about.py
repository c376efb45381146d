"""Commands that need no run: data, layers, settings and presets."""

import argparse
import contextlib
import textwrap
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from core.base.terminal import reporting
from core.cli.answer import Answer, table
from core.cli.train import chosen_config
from core.config.presets import PRESETS
from core.config.run_config import SETTINGS, RunConfig
from core.config.sections import ALL_IMAGES
from core.cost.estimate import estimates
from core.model.layers import layer_table
from core.runs.store import RunStore
from core.views.new_run import expectation

if TYPE_CHECKING:
    from core.data.sources import Progress


def data(args: argparse.Namespace, store: RunStore) -> Answer:
    """Get CIFAR-10 from the cache, a given source or the network, and verify it against the official hashes."""
    from core.data.fetch import acquire

    with _bars() as show:
        folder = acquire(args.folder, args.source, show)
    text = f"CIFAR-10 is in {folder}: {ALL_IMAGES:,} images, verified against the official hashes."
    return Answer(text, {"folder": str(folder), "images": ALL_IMAGES, "verified": True})


@contextlib.contextmanager
def _bars() -> "Iterator[Callable[[Progress], None]]":
    """Give a function that shows progress on stderr, a bar for each step; without a terminal it shows nothing."""
    with contextlib.ExitStack() as stack:
        bars: dict[str, tqdm[Any]] = {}

        def show(progress: "Progress") -> None:
            with reporting():
                if progress.step not in bars:
                    stack.close()
                    unit, in_bytes = progress.unit, progress.unit == "B"
                    bar = tqdm(desc=progress.step, total=progress.total, unit=unit, unit_scale=in_bytes, disable=None)
                    bars[progress.step] = stack.enter_context(bar)
                bars[progress.step].update(progress.done - bars[progress.step].n)

        yield show


def layers(args: argparse.Namespace, store: RunStore) -> Answer:
    """List the network's layers, for a configuration or a run."""
    config = store.run(store.find(args.run)).config() if args.run else chosen_config(args)
    found = layer_table(config)
    parameters, macs = int(found["parameters"].sum()), int(found["macs"].sum())
    rows = [(*row[:3], f"{row[3]:,}", f"{row[4]:,}") for row in found.itertuples(index=False)]
    text = table(tuple(found.columns), rows, right=("parameters", "macs"))
    total = f"{parameters:,} trainable parameters, {macs:,} multiply-accumulate operations per image"
    return Answer(f"{text}\n{total}", {"parameters": parameters, "macs": macs, "layers": found.to_dict("records")})


def settings(args: argparse.Namespace, store: RunStore) -> Answer:
    """List all settings: allowed values, default and help."""
    default, blocks, data = RunConfig(), [], []
    for path, setting in SETTINGS.items():
        only = f" Only with {setting.when[0]} {' or '.join(map(str, setting.when[1]))}." if setting.when else ""
        head = f"{path}  {setting.expects()} (default {setting.show(default[path])})"
        blocks.append(f"{head}\n{_indented(setting.help + only)}")
        low, high = setting.limits or (None, None)
        fields = {name: value for name, value in vars(setting).items() if name != "limits"}
        data.append({"path": path, "default": default[path], "low": low, "high": high, **fields})
    return Answer("\n".join(blocks), data)


def presets(args: argparse.Namespace, store: RunStore) -> Answer:
    """List the presets."""
    blocks, data, runs = [], [], store.summaries()
    times = estimates((preset.config for preset in PRESETS.values()), store)
    for preset, time in zip(PRESETS.values(), times, strict=True):
        text = f"{preset.summary} {expectation(preset, runs, time.seconds)}."
        blocks.append(f"{preset.name}  {preset.title}\n{_indented(text)}")
        data.append({**vars(preset), "config": preset.config.to_dict()})
    return Answer("\n".join(blocks), data)


def _indented(text: str) -> str:
    return textwrap.fill(text, 100, initial_indent="    ", subsequent_indent="    ")
