"""The commands that need no run: data, layers, settings and presets."""

import argparse
import dataclasses
import textwrap
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from core.cli.answer import Answer, table
from core.cli.train import wanted_config
from core.config.presets import PRESETS
from core.config.run_config import SECTIONS, SETTINGS, RunConfig
from core.config.sections import ALL_IMAGES
from core.runs.store import RunStore

if TYPE_CHECKING:
    from core.data.cifar10 import Progress


def data(args: argparse.Namespace) -> Answer:
    """Get CIFAR-10 from the cache, a given source or the network, and compare it with the official hashes."""
    from core.data import cifar10

    with _Bar() as bar:
        folder = cifar10.acquire(args.folder, args.source, bar.tell)
    text = f"CIFAR-10 is in {folder}: {ALL_IMAGES:,} images, every byte compared with the official hashes."
    return Answer(text, {"folder": str(folder), "images": ALL_IMAGES, "verified": True})


class _Bar:
    """A progress bar for each step of getting the data; nothing without a terminal."""

    def __init__(self) -> None:
        self._bar: tqdm[Any] | None = None
        self._step = ""

    def __enter__(self) -> "_Bar":
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def tell(self, progress: "Progress") -> None:
        """Show where the acquisition is."""
        if self._bar is None or progress.step != self._step:
            self.__exit__()
            self._step = progress.step
            in_bytes = progress.unit == "B"
            self._bar = tqdm(
                desc=progress.step, total=progress.total, unit=progress.unit if in_bytes else f" {progress.unit}",
                unit_scale=in_bytes, disable=None,
            )  # fmt: skip
        self._bar.update(progress.done - self._bar.n)


def layers(args: argparse.Namespace, store: RunStore) -> Answer:
    """The network of a configuration or a run, layer by layer."""
    from core.model.layers import layer_table

    config = store.run(store.find(args.run)).config() if args.run else wanted_config(args)
    found = layer_table(config)
    parameters, macs = int(found["parameters"].sum()), int(found["macs"].sum())
    rows = [(*row[:3], f"{row[3]:,}", f"{row[4]:,}") for row in found.itertuples(index=False)]
    text = "\n".join([
        table(tuple(found.columns), rows, right=("parameters", "macs")),
        f"{parameters:,} trainable parameters, {macs:,} multiply-accumulates a picture",
    ])  # fmt: skip
    return Answer(text, {"parameters": parameters, "macs": macs, "layers": found.to_dict("records")})


def settings(args: argparse.Namespace) -> Answer:
    """Every choice there is: what it takes, its default, and a line of help."""
    default = RunConfig()
    told = []
    for section in SECTIONS:
        for path, setting in SETTINGS.items():
            if path.startswith(f"{section}."):
                takes = f"{setting.expects()} (default {setting.show(default[path])})"
                only = f" Only with {setting.when[0]} {' or '.join(map(str, setting.when[1]))}." if setting.when else ""
                told.append(f"{path}  {takes}\n{_indented(setting.help + only)}")
    listed = []
    for path, setting in SETTINGS.items():
        fields = {"path": path, "default": default[path], **dataclasses.asdict(setting)}
        fields["low"], fields["high"] = fields.pop("limits") or (None, None)
        listed.append(fields)
    return Answer("\n".join(told), listed)


def presets(args: argparse.Namespace) -> Answer:
    """The recipes to start from."""
    told = [f"{one.name}  {one.title}\n{_indented(one.summary)}" for one in PRESETS.values()]
    listed = [
        {"name": one.name, "title": one.title, "summary": one.summary, "config": one.config.to_dict()}
        for one in PRESETS.values()
    ]
    return Answer("\n".join(told), listed)


def _indented(text: str) -> str:
    return textwrap.fill(text, 100, initial_indent="    ", subsequent_indent="    ")
