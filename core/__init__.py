"""ResNet Lab without a browser. For a notebook: ``from core import PRESETS, RunConfig, RunStore``.

Nothing in this package imports Streamlit, and importing it imports neither torch nor pandas. ``resnet-lab`` or
``python -m core`` is its command line.
"""

import os

import lazy_loader

# Read by GNU OpenMP when torch is imported, so it is set before: how many turns a training thread spins while it waits
# for another one, before it sleeps. The default of 300,000 burns the core that the other thread needs when a further
# program runs; with 5,000, threads sleep so often that a virtual machine loses a seventh of its speed by waking them
# (`python -m benchmarks.contention` measures all three).
SPINS = os.environ.setdefault("GOMP_SPINCOUNT", "50000")

# Read by torch when it first allocates: large tensors use large pages where the system offers them. A training step
# allocates its feature maps anew, and page faults and address translation cost less (`python -m benchmarks.steps`).
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={"config.presets": ["PRESETS"], "config.run_config": ["RunConfig"], "runs.store": ["RunStore"]},
)
