"""What a network gets wrong and why: mistakes, calibration, two runs on the same images, slices, what it looks at.

What is said about single answers comes from a run's kept predictions (:mod:`core.runs.predictions`) and needs no second
evaluation: :mod:`~core.inspect.subject` chooses them, :mod:`~core.inspect.mistakes` says which are wrong. Importing
these imports no PyTorch, so that the page Inspect opens quickly; what needs the network itself has modules of its own.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={"mistakes": ["Cell", "confusion", "ranked"], "subject": ["Subject", "choose_subject", "inspectable"]},
)
