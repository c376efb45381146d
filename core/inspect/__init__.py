"""What a network gets wrong and why: mistakes, calibration, two runs on the same images, slices, what it looks at.

What is said about single answers comes from a run's kept predictions (:mod:`core.runs.predictions`) and needs no second
evaluation: :mod:`~core.inspect.subject` chooses them, :mod:`~core.inspect.mistakes` and :mod:`~core.inspect.classes`
say which are wrong, :mod:`~core.inspect.calibration` how much the probabilities are worth, :mod:`~core.inspect.pairs`
where two networks differ, :mod:`~core.inspect.slices` on which parts of the images a network is better or worse. These
import no PyTorch, so that the page Inspect opens quickly. What needs the network itself does:
:mod:`~core.inspect.explain` shows what it looks at, :mod:`~core.inspect.features` finds the nearest training images,
:mod:`~core.inspect.unlike` flags images it should not answer for. :mod:`~core.inspect.map` places images on a map.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "calibration": ["calibration", "fitted_temperature", "reliability"],
        "classes": ["class_scores", "top_two"],
        "contested": ["contested_labels", "ensemble"],
        "duplicates": ["twins"],
        "explain": ["feature_maps", "first_filters", "grad_cam", "occlusion"],
        "features": ["Features", "activations"],
        "map": ["ImageMap", "pca_map", "tsne_map"],
        "mistakes": ["Cell", "confusion", "ranked"],
        "pairs": ["Pair", "pair"],
        "slices": ["measured", "slice_table", "slices_by"],
        "subject": ["Subject", "choose_subject", "inspectable"],
        "unlike": ["Detector", "Knowledge"],
    },
)
