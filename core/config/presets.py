"""The recipes a person can start from: what each is for, and its complete RunConfig."""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from core.base.errors import ConfigError
from core.config.run_config import SETTINGS, RunConfig
from core.config.setting import near


@dataclass(frozen=True)
class Preset:
    """A named recipe: ``summary`` in a sentence, ``config`` complete."""

    name: str
    title: str
    summary: str
    config: RunConfig


def _config(**sections: dict[str, object]) -> RunConfig:
    return RunConfig().replace(
        {f"{section}.{name}": value for section, values in sections.items() for name, value in values.items()}
    )


def _fast(epochs: int) -> RunConfig:
    """Both rates, label smoothing, crop and first window were compared on held-out images (benchmarks/tricks.py)."""
    return _config(
        data={"validation_size": 1_000},
        augment={"flip": "alternating", "translate": "crop", "grow_from": 20},
        train={
            "epochs": epochs,
            "optimizer": "muon",
            "muon_lr": 0.05,
            "lr": 0.2,
            "nesterov": True,
            "warmup_epochs": 1.0,
            "label_smoothing": 0.1,
        },
    )


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            "quick",
            "A first taste",
            "Four thousand images, a few epochs: a network that beats guessing four times over in under a minute.",
            _config(
                data={"train_size": 4_500, "validation_size": 500, "test_size": 2_000},
                augment={"flip": "random"},
                train={"epochs": 5, "batch_size": 32, "lr": 0.1, "nesterov": True, "warmup_epochs": 1.0},
            ),
        ),
        Preset(
            "fast",
            "Fast and honest",
            "Made for much accuracy in few minutes: Muon, windows that grow to the whole picture, "
            "alternating flips, smoothed labels; 49,000 images, 1,000 held out.",
            _fast(24),
        ),
        Preset("fast-10", "Faster still", "The recipe of fast in little more than half the epochs.", _fast(14)),
        Preset(
            "he2016",
            "He et al. 2016",
            "The paper's recipe: SGD, rate 0.1 falling twice, 45,000 training and 5,000 validation images. "
            "Published error of ResNet-20: 8.75 %.",
            _config(
                data={"validation_size": 5_000, "normalization": "pixel-mean"},
                augment={"translate": "crop"},
                # 32,000 and 48,000 of 64,000 iterations, at 352 iterations an epoch of 45,000 images.
                train={"epochs": 182, "schedule": "multi-step", "milestones": (91, 136), "weight_decay": 1e-4},
            ),
        ),
        Preset(
            "report",
            "The published study",
            "The report's recipe: Adam, rate falling after 80, 120, 160 and 180 of 200 epochs, pooled split, "
            "best epoch chosen on the test images.",
            _config(
                data={"split": "pooled", "train_size": 50_000, "validation": "test", "normalization": "pixel-mean"},
                model={"shortcut": "report"},
                augment={"translate": "shift", "translate_pixels": 3},
                # Keras's l2(1e-4) adds 1e-4·Σw² to the loss, which is a weight decay of 2e-4.
                train={
                    "epochs": 200,
                    "optimizer": "adam",
                    "lr": 1e-3,
                    "adam_eps": 1e-7,
                    "schedule": "report",
                    "weight_decay": 2e-4,
                    "decay_on": "kernels",
                },
            ),
        ),
    )
}


def preset(name: str) -> Preset:
    """The preset called ``name``; ConfigError lists those there are."""
    if name not in PRESETS:
        raise ConfigError({"preset": f"“{name}” is no preset; there are {', '.join(PRESETS)}." + near(name, PRESETS)})
    return PRESETS[name]


def nearest(config: RunConfig) -> Preset:
    """The preset from which ``config`` differs in the fewest settings."""
    return min(PRESETS.values(), key=lambda one: len(config.differences(one.config)))


def command_line(config: RunConfig, *, name: str = "", tags: Iterable[str] = (), note: str = "", seeds: int = 1) -> str:
    """The shell command that trains ``config``: the nearest preset and what differs from it.

    ``seeds`` is the number of runs, each with the next seed; name, tags and note are those of all.
    """
    base = nearest(config)
    settings = [
        f"--set {path}={SETTINGS[path].show(ours)}" for path, (ours, _) in config.differences(base.config).items()
    ]
    about = [("name", name), *(("tag", tag) for tag in tags), ("note", note)]
    told = [f"--{option}={shlex.quote(text)}" for option, text in about if text]
    more = [f"--seeds {seeds}"] if seeds > 1 else []
    return " ".join(["python -m core train --preset", base.name, *settings, *more, *told])
