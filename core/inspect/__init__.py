"""What a network gets wrong and why: mistakes, calibration, two runs on the same images, slices, what it looks at.

What is said about single answers comes from a run's kept predictions (:mod:`core.runs.predictions`) and needs no second
evaluation: :mod:`~core.inspect.subject` chooses them, :mod:`~core.inspect.mistakes` and :mod:`~core.inspect.classes`
say which are wrong, :mod:`~core.inspect.calibration` how much the probabilities are worth, :mod:`~core.inspect.pairs`
where two networks differ. These import no PyTorch, so that the page Inspect opens quickly; what needs the network
itself has modules of its own.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "calibration": ["calibration", "fitted_temperature", "reliability"],
        "classes": ["class_scores", "top_two"],
        "mistakes": ["Cell", "confusion", "ranked"],
        "pairs": ["Pair", "pair"],
        "subject": ["Subject", "choose_subject", "inspectable"],
    },
)
