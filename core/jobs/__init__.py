"""Work on runs: training them, alone or from the queue, extending and evaluating them, measuring the speed.

Here training (:mod:`core.training`) meets the run folders (:mod:`core.runs`). Importing this package does not import
PyTorch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "evaluate": ["evaluate_best"],
        "places": ["Here", "Place"],
        "predict": ["predict_all", "predictions_of"],
        "probe": ["measure"],
        "recorder": ["Recorder"],
        "runner": ["run", "run_held"],
        "worker": ["Worker", "ensure_worker"],
    },
)
