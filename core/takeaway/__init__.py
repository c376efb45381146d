"""What leaves the laboratory: a network as ONNX, a run's model card, and a report to hand in about a study or runs.

Every number comes from the files of the runs. :mod:`~core.takeaway.content` collects what a report says,
:mod:`~core.takeaway.report` writes it as a web page and as a folder for LaTeX.
"""

import lazy_loader

# Lazy, because ONNX needs PyTorch, which takes seconds to import.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submod_attrs={"card": ["model_card"], "onnx": ["onnx_bytes"], "report": ["html", "write", "zipped"]}
)
