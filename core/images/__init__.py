"""Images to look at and to classify: files that people drop, CIFAR-10's own, and what a network predicts for them.

:mod:`~core.images.read` reads any image file, :mod:`~core.images.tray` keeps a session's images and their predictions,
:mod:`~core.images.gallery` shows CIFAR-10 and its augmentation. The data set itself is in :mod:`core.data`.
"""

import lazy_loader

# Lazy, because the classifier needs PyTorch, which takes seconds to import.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "classify": ["Classifier"],
        "gallery": ["as_trained", "class_counts", "sheet"],
        "read": ["LoadedImage", "Square", "read_image", "read_many", "to_network"],
        "tray": ["Tray", "TrayImage", "results_table"],
    },
)
