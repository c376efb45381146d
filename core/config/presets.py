"""The recipes a person can start from: what to expect of each, and its complete RunConfig."""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from core.base.errors import ConfigError
from core.config.run_config import HOW_COMPUTED, SETTINGS, RunConfig
from core.config.sections import AugmentConfig, DataConfig, ModelConfig, TrainConfig
from core.config.setting import near


@dataclass(frozen=True)
class Preset:
    """A named recipe. ``summary`` says in a few sentences what it does and what to expect."""

    name: str
    title: str
    summary: str
    config: RunConfig


#: Images held out by the presets that take minutes or hours, as in He et al. (2016). With 1,000 a run's accuracy has
#: an interval of ±1.4 points, and the split of seed 0 happened to be two points easier than the test images.
_HELD_OUT = 5_000


def _fast(epochs: int) -> RunConfig:
    """Return the fast recipe.

    Both learning rates, label smoothing, crop and initial crop size were chosen on held-out images
    (benchmarks/tricks.py).
    """
    return RunConfig(
        data=DataConfig(validation_size=_HELD_OUT),
        augment=AugmentConfig(flip="alternating", translate="crop", grow_from=20),
        train=TrainConfig(
            epochs=epochs, optimizer="muon", muon_lr=0.05, lr=0.2, nesterov=True, warmup_epochs=1.0, label_smoothing=0.1
        ),
    )


_QUICK = Preset(
    "quick",
    "Quick start",
    "A small run to see how everything works: 5 epochs of 4,000 images, in under a minute. "
    "Expect an accuracy of about 50 %; chance level is 10 %.",
    RunConfig(
        data=DataConfig(train_size=4_500, validation_size=500, test_size=2_000),
        train=TrainConfig(epochs=5, batch_size=32, nesterov=True, warmup_epochs=1.0),
    ),
)
_FAST = Preset(
    "fast",
    "High accuracy in minutes",
    "For two CPU cores: Muon, growing crops, alternating flips and label smoothing. "
    f"Holds out {_HELD_OUT:,} training images for validation, as the ResNet paper does.",
    _fast(32),
)
_FAST_10 = Preset(
    "fast-10",
    "High accuracy, sooner",
    f"The same recipe in 15 epochs instead of {_FAST.config.train.epochs}, for slightly less accuracy.",
    _fast(15),
)
_HE2016 = Preset(
    "he2016",
    "He et al. 2016",
    "The recipe of the ResNet paper: SGD for 182 epochs, with two drops of the learning rate. Takes hours on a CPU. "
    "The paper's test accuracy is 91.25 % (error 8.75 %).",
    RunConfig(
        data=DataConfig(validation_size=_HELD_OUT, normalization="pixel-mean"),
        augment=AugmentConfig(translate="crop"),
        # 32,000 and 48,000 of 64,000 iterations, at 352 iterations per epoch of 45,000 images.
        train=TrainConfig(epochs=182, schedule="multi-step", milestones=(91, 136), weight_decay=1e-4),
    ),
)
_REPORT = Preset(
    "report",
    "The report's recipe",
    "The recipe of the student report that this laboratory repeats: Adam for 200 epochs on 50,000 images. Takes hours "
    "on a CPU. The best epoch is chosen on test images, so its accuracy is slightly optimistic.",
    RunConfig(
        data=DataConfig(split="pooled", train_size=50_000, validation="test", normalization="pixel-mean"),
        model=ModelConfig(shortcut="keras"),
        augment=AugmentConfig(translate="keras-shift", translate_pixels=3),
        train=TrainConfig(
            epochs=200,
            optimizer="adam",
            lr=1e-3,
            adam_eps=1e-7,
            schedule="report",
            weight_decay=2e-4,  # Keras's l2(1e-4) adds 1e-4·Σw² to the loss, which is a weight decay of 2e-4
            decay_on="kernels",
        ),
    ),
)

PRESETS: dict[str, Preset] = {preset.name: preset for preset in (_QUICK, _FAST, _FAST_10, _HE2016, _REPORT)}


def preset(name: str) -> Preset:
    """Return the preset called ``name``. Raises ConfigError with the names there are."""
    if name not in PRESETS:
        names = ", ".join(PRESETS)
        raise ConfigError({"preset": f"“{name}” is not a preset. Use one of {names}." + near(name, PRESETS)})
    return PRESETS[name]


def nearest(config: RunConfig) -> Preset:
    """Return the preset from which ``config`` differs in the fewest settings."""
    return min(PRESETS.values(), key=lambda preset: len(config.differences(preset.config)))


#: Changed settings that a recipe's text names; the others are counted.
_MOST_NAMED = 4


@lru_cache(maxsize=8192)
def recipe_text(config: RunConfig) -> str:
    """Return what ``config`` trains in a few words: ``quick · depth 8 · 30 epochs``.

    These are the nearest preset and the settings changed from it. The seed and how it is computed do not count.
    """
    base = nearest(config)
    changed = [path for path in config.differences(base.config) if path not in ("train.seed", *HOW_COMPUTED)]
    texts = [SETTINGS[path].phrase(config[path]) for path in changed if config.in_effect(path)]
    if len(texts) > _MOST_NAMED:
        texts[_MOST_NAMED - 1 :] = [f"{len(texts) - _MOST_NAMED + 1} more settings"]
    return " · ".join([base.name, *texts])


def command_line(config: RunConfig, *, name: str = "", tags: Iterable[str] = (), note: str = "", seeds: int = 1) -> str:
    """Return the shell command that trains ``config``: the nearest preset and the settings that differ from it.

    ``seeds`` is the number of runs, each with the next seed; all have the same name, tags and note.
    """
    base = nearest(config)
    differences = config.differences(base.config)
    settings = [f"--set {path}={SETTINGS[path].show(value)}" for path, (value, _) in differences.items()]
    about = [("name", name), *(("tag", tag) for tag in tags), ("note", note)]
    options = [f"--{option}={shlex.quote(text)}" for option, text in about if text]
    repeats = [f"--seeds {seeds}"] if seeds > 1 else []
    return " ".join(["resnet-lab train --preset", base.name, *settings, *repeats, *options])
