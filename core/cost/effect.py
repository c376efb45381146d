"""Settings that change nothing: a run would do the same without them.

There is one rule. :func:`_course` returns all that training makes of a config: learning rates, crops, sets, when it can
stop, what it averages. A setting changes nothing if another value, such as "off", gives the same course.
"""

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from core.base.text import counted
from core.config.run_config import HOW_COMPUTED, SETTINGS, RunConfig
from core.config.sections import IMAGE_SIZE
from core.training.schedule import learning_rate, stops_early

#: What switches each part of a recipe off.
_OFF: dict[str, Any] = {
    "train.schedule": "constant",
    "train.warmup_epochs": 0.0,
    "train.early_stopping": "off",
    "train.averaging": "off",
    "train.weight_decay": 0.0,
    "augment.grow_from": IMAGE_SIZE,
    "augment.mix": "none",
}
#: Settings that a course has only as what comes of them.
_COMPUTED = (
    *("train.schedule", "train.warmup_epochs", "train.milestones", "train.gamma", "train.plateau_factor"),
    *("train.plateau_patience", "train.min_lr", "train.early_stopping", "train.patience", "train.min_delta"),
    *("train.averaging", "train.averaging_start", "train.averaging_decay", "train.weight_decay", "train.decay_on"),
    *("augment.grow_from", "augment.grow_until", "data.train_size", "data.test_size", "data.validation_size"),
    *("augment.mix", "augment.mix_alpha", "augment.mix_until", "data.split_seed"),
)
#: Epochs of a course whose learning rates are compared, at most.
_MOST_EPOCHS = 100
#: A milestone that no run reaches.
_NEVER = 10_000


def idle_settings(config: RunConfig, changed: Iterable[str] = (), base: RunConfig | None = None) -> dict[str, str]:
    """Return a sentence for each setting that changes nothing in a run of a checked ``config``, by path.

    ``changed`` are settings that a person changed from ``base``: each of them is meant to change something.
    """
    others = [(path, off) for path, off in _OFF.items() if config.in_effect(path)]
    others += [(path, base[path]) for path in changed if base and path not in HOW_COMPUTED]
    # A schedule without a warm-up is compared with a constant rate without one.
    plain = config if config.in_effect("train.warmup_epochs") else config.replace({"train.warmup_epochs": 0.0})
    idle = {}
    for path, value in others:
        other = plain.replace({path: value})
        if value != config[path] and not other.problems() and _course(other) == _course(config):
            idle[path] = _sentence(config, path, value)
    if late := _late_milestones(config):
        idle["train.milestones"] = _late_text(config, late)
    # What belongs to an idle setting is idle too, and the reason is said once.
    return {path: text for path, text in idle.items() if not (when := SETTINGS[path].when) or when[0] not in idle}


def same_course(configs: Sequence[RunConfig]) -> bool:
    """Return whether runs of all these checked configs do the same."""
    return all(_course(config) == _course(configs[0]) for config in configs[1:])


@functools.lru_cache(maxsize=4096)
def _course(config: RunConfig) -> dict[str, Any]:
    """Return all that training makes of a checked config, except for how it is computed."""
    train, sizes, epochs = config.train, config.data.sizes(), config.train.epochs
    course = {path: value for path, value in config.values().items() if config.in_effect(path)}
    for path in (*HOW_COMPUTED, *_COMPUTED):
        course.pop(path, None)
    decays = train.weight_decay and not (train.optimizer == "muon" and train.decay_on == "kernels")
    averaged = epochs - train.averaging_start + 1
    averages = train.averaging == "ema" or (train.averaging == "equal" and averaged > 1)
    # The validation results that let the rate fall, or the run stop, as early as possible.
    stops = stops_early(train, [1.0] * (epochs - 1), [0.0] * (epochs - 1))
    # In a batch of one image, the other image is the same one.
    mixed = sum(map(config.mixes, range(1, epochs + 1))) if train.batch_size > 1 else 0
    all_images = sizes == config.data.available() and config.data.split == "official"
    return course | {
        "learning rates": _learning_rates(config),
        "crops": config.crop_sizes(),
        "mix": (config.augment.mix, config.augment.mix_alpha, mixed) if mixed else None,
        "sets": sizes,
        "split seed": None if all_images else config.data.split_seed,
        "weight decay": (train.weight_decay, train.decay_on) if decays else None,
        "stops": (train.early_stopping, train.patience, train.min_delta) if stops else None,
        "average": (train.averaging, averaged, train.averaging == "ema" and train.averaging_decay)
        if averages
        else None,
    }


def _learning_rates(config: RunConfig) -> list[float]:
    """Return the rates of the first and last step of the epochs, when the validation objective never improves."""
    epochs, batches, never_better = config.train.epochs, config.steps_per_epoch(), [1.0] * config.train.epochs
    few = min(epochs, _MOST_EPOCHS)
    chosen = {round(at * (epochs - 1) / max(few - 1, 1)) for at in range(few)}
    chosen |= {at for epoch in config.train.milestones for at in (epoch - 1, epoch, epoch + 1) if at < epochs}
    rates = []
    for epoch in sorted(chosen):
        first = learning_rate(config.train, epoch * batches, batches, never_better[:epoch])
        within = config.train.schedule != "plateau"  # which changes between epochs only
        last = learning_rate(config.train, (epoch + 1) * batches - 1, batches) if within else first
        rates += [first, last]
    return rates


def _late_milestones(config: RunConfig) -> tuple[int, ...]:
    """Return the milestones without which a run of ``config`` would do the same."""
    milestones = config.train.milestones if config.in_effect("train.milestones") else ()
    for place in range(len(milestones)):
        late = len(milestones) - place
        moved = (*milestones[:place], *range(_NEVER - late + 1, _NEVER + 1))
        if _learning_rates(config) == _learning_rates(config.replace({"train.milestones": moved})):
            return milestones[place:]
    return ()


# --- sentences ------------------------------------------------------------------------------------


def _sentence(config: RunConfig, path: str, other: Any) -> str:
    """Return why the setting at ``path`` changes nothing; the run does the same with the value ``other``."""
    setting, train, when = SETTINGS[path], config.train, SETTINGS[path].when
    if when and not config.in_effect(path):
        needed = " or ".join(map(str, when[1]))
        return f"{setting.label} changes nothing here: it needs “{SETTINGS[when[0]].label}” to be {needed}."
    run = f"a run of {counted(train.epochs, 'epoch')}"
    reasons: dict[str, Callable[[], str]] = {
        "train.schedule": lambda: f"The learning rate never falls in {run}{_why_constant(config)}.",
        "train.early_stopping": lambda: (
            f"The run never stops early: a patience of {counted(train.patience, 'epoch')} cannot run out in {run}."
        ),
        "train.averaging": lambda: "Averaging changes nothing: only the last epoch enters the average.",
        "augment.grow_from": lambda: f"Images are full size from the first epoch of {run}, so crops do not grow.",
        "augment.mix": lambda: (
            f"No epoch of {run} mixes images."
            if train.batch_size > 1
            else "A batch of one image has no second image to mix in."
        ),
    }
    general = f"{setting.label} changes nothing here: the run does the same with {setting.text(other)}."
    return reasons[path]() if path in reasons else general


def _why_constant(config: RunConfig) -> str:
    train = config.train
    if config.in_effect("train.milestones") and train.milestones[0] >= train.epochs - 1:
        return f": the first milestone is epoch {train.milestones[0]}"
    if train.schedule == "plateau" and train.plateau_patience >= train.epochs - 1:
        return f", too short for a plateau of {counted(train.plateau_patience, 'epoch')}"
    return f" with the schedule {train.schedule} as it is set"


def _late_text(config: RunConfig, late: Sequence[int]) -> str:
    names = ", ".join(f"{epoch:,}" for epoch in late)
    come = "Milestone {} comes" if len(late) == 1 else "Milestones {} come"
    return f"{come.format(names)} too late to change anything in a run of {counted(config.train.epochs, 'epoch')}."
