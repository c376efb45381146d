"""CIFAR-10: getting and verifying it, choosing classes and a split, augmenting a batch.

The network's side of data ends at the tensors of a :class:`~core.data.task.Task`. Image files of other kinds are read
in :mod:`core.images`. Importing this package does not import PyTorch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "augmentation": ["EpochPlan", "augment", "plan_epoch"],
        "cifar10": ["Cifar10", "available", "load", "verify"],
        "fetch": ["acquire"],
        "split": ["Split", "make_split"],
        "task": ["ImageSet", "Normalization", "Task", "load_task", "make_task"],
    },
)
