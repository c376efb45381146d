"""What must hold between settings that are each allowed by themselves, as a sentence for each that does not."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.config.run_config import RunConfig


def relations(config: "RunConfig") -> dict[str, str]:
    """Problems by the path of the setting to change; every setting of ``config`` is sound by itself."""
    parts = _split(config) or _part_sizes(config)
    return parts | _network(config) | _schedule(config)


def _split(config: "RunConfig") -> dict[str, str]:
    """Parts that the images of these classes cannot fill."""
    found: dict[str, str] = {}
    data, k = config.data, len(config.data.classes)
    have = config.data.available()
    pool = have.train + have.test
    if data.split == "official":
        if (data.train_size or 0) > have.train:
            found["data.train_size"] = (
                f"{data.train_size:,} is more than the {have.train:,} official training images of these {k} classes; "
                f"take at most {have.train:,}, or the pooled split, which has {pool:,}."
            )
        if (data.test_size or 0) > have.test:
            found["data.test_size"] = (
                f"{data.test_size:,} is more than the {have.test:,} official test images of these {k} classes; "
                f"take at most {have.test:,}."
            )
    elif data.train_size is None and data.test_size is None:
        found["data.train_size"] = (
            f"a pooled split needs the size of the training or of the test part, out of {pool:,} images; "
            f"the report takes {have.train:,} for training."
        )
    elif (data.test_size or 0) > pool - k:
        found["data.test_size"] = (
            f"{data.test_size:,} leaves too few of the {pool:,} images of these {k} classes to train on; "
            f"test on at most {pool - k:,}."
        )
    elif (data.train_size or 0) > pool - k:
        found["data.train_size"] = (
            f"{data.train_size:,} leaves too few of the {pool:,} images of these {k} classes to test on; "
            f"train on at most {pool - k:,}."
        )
    elif (data.train_size or 0) + (data.test_size or 0) > pool:
        found["data.train_size"] = (
            f"training and test part together exceed the {pool:,} images of these {k} classes; "
            f"with this test part, train on at most {pool - (data.test_size or 0):,}."
        )
    return found


def _part_sizes(config: "RunConfig") -> dict[str, str]:
    """Parts too small to hold every class, or a batch."""
    found: dict[str, str] = {}
    data, k = config.data, len(config.data.classes)
    sizes, batch_size = config.data.sizes(), config.train.batch_size
    if sizes.test < k:
        found["data.test_size"] = f"{sizes.test} images cannot hold one of each of {k} classes; take at least {k}."
    if data.validation == "held-out" and sizes.validation < k:
        found["data.validation_size"] = f"needs at least {k} images, one of each class."
    if sizes.train < k:
        at = "data.validation_size" if data.validation == "held-out" and data.validation_size else "data.train_size"
        found[at] = (
            f"leaves {max(sizes.train, 0)} images to train on, and {k} classes need at least {k}; "
            "enlarge the training part or shrink the validation part."
        )
    elif batch_size > sizes.train:
        found["train.batch_size"] = (
            f"a batch of {batch_size:,} is more than the {sizes.train:,} training images; take at most {sizes.train:,}."
        )
    return found


def _network(config: "RunConfig") -> dict[str, str]:
    found: dict[str, str] = {}
    if (config.model.depth - 2) % 6:
        found["model.depth"] = f"{config.model.depth} is not 6n+2; take 8, 14, 20, 32, 44, 56 or 110."
    if config.augment.grow_from % 4:  # the side is halved twice, and the report's shortcut needs it even
        found["augment.grow_from"] = f"{config.augment.grow_from} is no multiple of 4; take 20, 24, 28, or 32 for all."
    if config.in_effect("train.nesterov") and config.train.nesterov and config.train.momentum == 0:
        found["train.nesterov"] = "needs momentum above 0; raise the momentum or switch Nesterov off."
    return found


def _schedule(config: "RunConfig") -> dict[str, str]:
    """Epochs at which nothing can happen any more."""
    found: dict[str, str] = {}
    train = config.train
    if config.in_effect("train.milestones"):
        if list(train.milestones) != sorted(set(train.milestones)):
            found["train.milestones"] = "must rise, each greater than the one before."
        elif train.schedule == "report" and len(train.milestones) != 4:
            found["train.milestones"] = "the report's schedule has four milestones, such as 80,120,160,180."
        elif not train.milestones:
            found["train.milestones"] = "needs at least one epoch, or take the constant schedule."
    if config.in_effect("train.warmup_epochs") and train.warmup_epochs >= train.epochs:
        found["train.warmup_epochs"] = (
            f"{train.warmup_epochs:g} epochs of warm-up leave nothing of {train.epochs}; "
            f"take fewer than {train.epochs}."
        )
    if config.in_effect("train.averaging_start") and train.averaging_start > train.epochs:
        found["train.averaging_start"] = f"lies after the last epoch; take at most {train.epochs}."
    return found
