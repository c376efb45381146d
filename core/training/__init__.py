"""Training a network: device and precision, optimiser, schedule, epoch loop, evaluation, and reading checkpoints.

Nothing here knows of threads, queues or run folders: those are in :mod:`core.jobs` and :mod:`core.runs`. Importing
this package, or :mod:`core.training.schedule`, does not import PyTorch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "checkpoint": ["load_state", "load_weights"],
        "environment": ["Environment", "resolve"],
        "evaluation": ["Evaluation", "evaluate", "predict"],
        "optimizer": ["make_optimizer"],
        "schedule": ["learning_rate", "stops_early"],
        "trainer": ["Diverged", "Trainer"],
    },
)
