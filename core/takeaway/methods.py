"""What a report says about how its runs were made: the methods, their limits, and a checklist to repeat them.

All of it is read from the configurations and the environments that the runs recorded.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from core.base.text import counted, duration
from core.compare.settings import in_order
from core.config.run_config import SETTINGS, RunConfig
from core.config.sections import IMAGE_SIZE, DataConfig
from core.cost.network import network_cost
from core.runs.folder import BEST
from core.runs.summary import RunSummary
from core.takeaway.subject import Subject

#: Where CIFAR-10 and the networks are described.
CIFAR10 = (
    "A. Krizhevsky, “Learning Multiple Layers of Features from Tiny Images”, technical report, University of Toronto, "
    "2009"
)
RESNET = "K. He, X. Zhang, S. Ren, J. Sun, “Deep Residual Learning for Image Recognition”, arXiv:1512.03385, 2015"
#: Where the questions of the checklist come from.
CHECKLIST = (
    "J. Pineau et al., “Improving Reproducibility in Machine Learning Research”, Journal of Machine Learning Research "
    "22(164), 2021"
)
_OPTIMIZERS = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW"}
_FLIPS = {"random": "random horizontal flips", "alternating": "horizontal flips in every other epoch"}
_MOVES = {
    "shift": "random shifts of up to {} pixels that repeat the edge",
    "keras-shift": "random shifts of up to {} pixels that repeat the edge, drawn as in Keras",
    "crop": "random crops after padding by {} pixels",
    "reflect-crop": "random crops after mirroring {} pixels at the edge",
}
_SHORTCUTS = {
    "A": "shortcuts without weights (subsampled, padded with zeros)",
    "B": "1×1 convolutions with batch norm as shortcuts between stages",
    "report": "1×1 convolutions without batch norm as shortcuts between stages",
    "keras": "1×1 convolutions without batch norm as shortcuts between stages, initial weights as in Keras of 2018",
}

Answer = Literal["yes", "no"]


@dataclass(frozen=True)
class Check:
    """A question of the checklist, its answer, and the facts behind it."""

    question: str
    answer: Answer
    evidence: str


# --- methods --------------------------------------------------------------------------------------


def paragraphs(subject: Subject) -> tuple[str, ...]:
    """Return the methods: images, network and training, of each experiment if they differ much, then what all share."""
    configs, shared = subject.configs, (_evaluation(subject.configs), computation(subject.runs))
    if len(subject.varied) <= _MOST_INLINE:
        return _data(configs), _network(configs), _training(configs), *shared
    by_group = {group.name: [run.config for run in group.runs] for group in subject.groups if group.runs}
    each = [
        f"{name}. {_data(some)} {_network(some)} {_training(some)}"
        for name, some in list(by_group.items())[:_MOST_DESCRIBED]
    ]
    left = len(by_group) - len(each)
    more = (f"The table of settings has those of {counted(left, 'more experiment')}.",) if left else ()
    return (*each, *more, *shared)


#: More settings that differ are told experiment by experiment, so many of them; the table of settings has all.
_MOST_INLINE, _MOST_DESCRIBED = 3, 6


def _all(configs: Sequence[RunConfig], text: Callable[[RunConfig], str]) -> str:
    """Return ``text`` of the configs: one if all have the same, else each of them, at most four."""
    texts = list(dict.fromkeys(map(text, configs)))
    return _listed([*texts[:3], f"{len(texts) - 3} others"] if len(texts) > 4 else texts)


def _listed(texts: Sequence[str], last: str = "or") -> str:
    return f"{', '.join(texts[:-1])} {last} {texts[-1]}" if len(texts) > 1 else "".join(texts)


def _values(configs: Sequence[RunConfig], path: str) -> str:
    """Return a setting's values in order, without their unit: ``32, 64 or 128``."""
    used = in_order(path, [config[path] for config in configs if config.in_effect(path)])
    texts = [SETTINGS[path].text(value) for value in used]
    return _listed(texts) or "–"


def _data(configs: Sequence[RunConfig]) -> str:
    def classes(config: RunConfig) -> str:
        names = config.data.classes
        whole = len(names) == len(SETTINGS["data.classes"].choices)
        return "all ten classes" if whole else f"the classes {_listed(names, 'and')}"

    return (
        f"The images are those of CIFAR-10 ({CIFAR10}): colour photographs of {IMAGE_SIZE}×{IMAGE_SIZE} pixels; the "
        f"task has {_all(configs, classes)}. {_all(configs, lambda config: _split(config.data))}. There are "
        f"{sizes_text(configs)}. "
        f"{_all(configs, lambda config: _normalization(config.data))}."
    )


def _split(data: DataConfig) -> str:
    if data.split == "pooled":
        return f"The official training and test sets were merged and split at random (split seed {data.split_seed})"
    random = data.validation == "held-out" or data.sizes() != data.available()
    drawn = f"; what is held out or left out was drawn with split seed {data.split_seed}" if random else ""
    return f"The official training and test sets are kept{drawn}"


def sizes_text(configs: Sequence[RunConfig]) -> str:
    """Return ``45,000 images for training, 5,000 for validation and 10,000 for testing``; all sizes where they vary."""
    sizes = [config.data.sizes() for config in configs]
    counts = {name: sorted({getattr(each, name) for each in sizes} - {0}) for name in ("train", "validation", "test")}
    train, validation, test = (_listed([f"{count:,}" for count in found]) for found in counts.values())
    held_out = f", {validation} for validation" if validation else ""
    return f"{train} images for training{held_out} and {test} for testing"


def _normalization(data: DataConfig) -> str:
    if data.normalization == "pixel-mean":
        return "The mean training image is subtracted from every image"
    return "Each colour channel has the mean of the training images subtracted and is divided by their deviation"


def _network(configs: Sequence[RunConfig]) -> str:
    return (
        f"The network is {_all(configs, lambda config: f'ResNet-{config.model.depth}')} for small images ({RESNET}; "
        f"section 4.2) with {_values(configs, 'model.width')} channels in the first stage, "
        f"{_all(configs, lambda config: _SHORTCUTS[config.model.shortcut])}, and "
        f"{_all(configs, lambda config: f'{network_cost(config).parameters:,}')} trainable parameters."
    )


def _training(configs: Sequence[RunConfig]) -> str:
    seeds = sorted({config.train.seed for config in configs})
    shown = f"Seed {seeds[0]} decides" if len(seeds) == 1 else f"Seeds {', '.join(map(str, seeds))} decide"
    return (
        f"Training minimises the cross-entropy {_all(configs, _smoothing)} with "
        f"{_all(configs, _optimizer)} at a learning rate of "
        f"{_values(configs, 'train.lr')} (schedule {_values(configs, 'train.schedule')}) and a weight decay of "
        f"{_values(configs, 'train.weight_decay')}, in batches of {_values(configs, 'train.batch_size')}, for "
        f"{_values(configs, 'train.epochs')} epochs. Training images are changed by {_all(configs, _augmentation)}. "
        f"{shown} the initial weights, the order of the images and the augmentation."
    )


def _optimizer(config: RunConfig) -> str:
    if config.train.optimizer != "muon":
        return _OPTIMIZERS[config.train.optimizer]
    return f"Muon for the convolutions, at a learning rate of {config.train.muon_lr:g}, and SGD for the rest,"


def _smoothing(config: RunConfig) -> str:
    smoothing = config.train.label_smoothing
    return f"(label smoothing {SETTINGS['train.label_smoothing'].text(smoothing)})" if smoothing else "of the labels"


def _augmentation(config: RunConfig) -> str:
    augment = config.augment
    parts = [_FLIPS.get(augment.flip, ""), _MOVES.get(augment.translate, "").format(augment.translate_pixels)]
    parts.append(f"a random blank square of {augment.cutout} pixels" if augment.cutout else "")
    if augment.grow_from < IMAGE_SIZE:
        parts.append(f"random crops that grow from {augment.grow_from} to {IMAGE_SIZE} pixels")
    if augment.mix != "none":
        parts.append(f"{augment.mix} (alpha {augment.mix_alpha:g}) in the first {augment.mix_until:.0%} of the epochs")
    used = [part for part in parts if part]
    return _listed(used, "and") or "nothing"


def _evaluation(configs: Sequence[RunConfig]) -> str:
    held_out = {config.data.validation == "held-out" for config in configs}
    if held_out == {True}:
        epoch = (
            "Each run keeps the epoch with the highest accuracy on held-out images; the test set is used once, after "
            "the last epoch."
        )
    elif held_out == {False}:
        epoch = (
            "Each run keeps the epoch with the highest accuracy on the test images, which makes its accuracy slightly "
            "optimistic."
        )
    else:
        epoch = (
            "Each run keeps the epoch with the highest accuracy on held-out images or, without any, on the test "
            "images, which makes its accuracy slightly optimistic."
        )
    if len(configs) == 1:
        return f"{epoch} The 95 % intervals of accuracies are Wilson’s and count the sampling of the images only."
    return (
        f"{epoch} Results of several seeds are given as mean ± sample standard deviation (n − 1). The 95 % intervals "
        "of accuracies in the table are Wilson’s and count the sampling of the images only; each finding says what its "
        "own interval counts."
    )


def computation(runs: Sequence[RunSummary]) -> str:
    """Return what the runs were computed with, as far as they recorded it, and how long that took."""
    seconds = sum(run.epochs.seconds for run in runs if run.epochs)
    parts = [f"Training took {duration(seconds)} in all, for {counted(len(runs), 'run')}"]
    processors = recorded(runs, "accelerator") or recorded(runs, "processor")
    parts += [f"on {processors}"] if processors else []
    if precision := recorded(runs, "precision"):
        parts.append(f"in {precision}")
    versions = [f"{name} {text}" for key, name in _VERSIONS.items() if (text := recorded(runs, key))]
    made = f" Software: {', '.join(versions)}." if versions else ""
    return f"{' '.join(parts)}.{made}"


_VERSIONS = {"torch": "PyTorch", "torchvision": "torchvision", "python": "Python", "commit": "ResNet Lab at commit"}


def recorded(runs: Sequence[RunSummary], name: str) -> str:
    """Return what the runs recorded about their environment under ``name``: ``fp32 and bf16``; empty if nothing."""
    values = dict.fromkeys(str(run.meta.environment.get(name) or "") for run in runs)
    return " and ".join(value for value in values if value)


# --- limits ---------------------------------------------------------------------------------------


def limits(subject: Subject) -> tuple[str, ...]:
    """Return what the results do not show, a sentence each."""
    results = [group.result for group in subject.groups if group.result]
    found = []
    if subject.asked > len([run for run in subject.runs if run.finished]):
        found.append(f"Not every run is finished: {subject.states}.")
    alone = [group.name for group in subject.groups if group.result and group.result.spread.n == 1]
    if alone and len(alone) == len(results):
        which = "Every result is" if len(results) > 1 else "The result is"
        found.append(f"{which} that of one seed, so seed-to-seed variation is unknown.")
    elif alone:
        found.append(f"With one seed, seed-to-seed variation is unknown: {', '.join(alone)}.")
    optimistic = {result.chose_epoch for result in results if result.kind == "test"}
    if True in optimistic:
        some = "Some" if False in optimistic else "The"
        found.append(f"{some} best epochs were chosen on the test images, so these accuracies are slightly optimistic.")
    if any(result.kind == "validation" for result in results):
        found.append(
            "Some results are accuracies on validation images, which also chose the epoch: slightly optimistic."
        )
    if len({result.images for result in results}) > 1:
        found.append("The results were measured on different numbers of images.")
    if len(precisions := _precisions(subject.runs)) > 1:
        found.append(f"The runs were computed in different precisions: {' and '.join(precisions)}.")
    if subject.study and subject.study.scale < 1:
        found.append(
            f"The runs have {100 * subject.study.scale:.3g} % of the epochs and milestones of the report that the "
            "study repeats, so their accuracies cannot be compared with its accuracies."
        )
    if "data.train_size" in subject.varied and len({config.data.split_seed for config in subject.configs}) == 1:
        found.append("The training images were drawn once for each size; another draw could give other results.")
    found.append("These are results for small images of one data set. They need not hold for others.")
    return tuple(found)


def _precisions(runs: Sequence[RunSummary]) -> list[str]:
    return sorted({str(run.meta.environment["precision"]) for run in runs if run.meta.environment.get("precision")})


# --- checklist ------------------------------------------------------------------------------------


def checklist(subject: Subject) -> tuple[Check, ...]:
    """Return the checklist, filled in from the runs (after :data:`CHECKLIST`)."""
    configs, runs = subject.configs, subject.runs
    counts = [group.result.spread.n for group in subject.groups if group.result]
    seeds = f"{min(counts)} to {max(counts)}" if counts and min(counts) < max(counts) else f"{max(counts, default=0)}"
    finished = sum(run.finished for run in runs)
    held_out = all(config.data.validation == "held-out" for config in configs)
    weights = sum((subject.store.root / run.id / BEST).is_file() for run in runs)
    commits, precisions = recorded(runs, "commit"), _precisions(runs)
    every_commit = all(run.meta.environment.get("commit") for run in runs)

    def check(question: str, answer: object, evidence: str) -> Check:
        return Check(question, "yes" if answer else "no", evidence)

    return (
        check("Is the network described, with its number of parameters?", True, _network(configs)),
        check("Are the sizes of all sets given?", True, f"{sizes_text(configs)}."),
        check("Can the split be repeated?", True, f"{_all(configs, lambda config: _split(config.data))}."),
        check("Are all settings given?", True, f"All {len(SETTINGS)} settings are in the table and in the commands."),
        check(
            "Did the test images choose nothing?",
            held_out,
            "Held-out images chose the epochs." if held_out else "Test images chose the epochs of some or all runs.",
        ),
        check("Is each result the mean of several seeds?", counts and min(counts) > 1, f"Runs per result: {seeds}."),
        check("Do results come with intervals?", counts, "95 % intervals for the sampling of the images."),
        check("Is every run that was asked for reported?", finished == subject.asked, f"{subject.states}."),
        check("Are the processors named?", recorded(runs, "processor"), recorded(runs, "processor") or "Not recorded."),
        check("Is the training time given?", True, f"{computation(runs).partition('.')[0]}."),
        check(
            "Were all runs computed in one precision?",
            len(precisions) == 1,
            " and ".join(precisions) or "Not recorded.",
        ),
        check(
            "Is the version of the code known?", every_commit, f"Commits: {commits}." if commits else "Not recorded."
        ),
        check("Are the trained weights kept?", weights == len(runs), f"{weights} of {counted(len(runs), 'run')}."),
        check("Are the commands given that repeat the runs?", True, "They are in the last section."),
    )


def settings_rows(subject: Subject, text: Callable[[RunSummary, str], str], dash: str) -> list[tuple[Any, ...]]:
    """Return a row for each setting in effect in some run: its path and its texts, each once, in order."""
    rows = []
    for path in SETTINGS:
        texts = list(dict.fromkeys(text(run, path) for run in subject.runs))
        if texts != [dash]:
            rows.append((path, texts))
    return rows
