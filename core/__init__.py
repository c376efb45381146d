"""The laboratory without a browser: configuration, data, model, training, runs, queue, figures.

Nothing in this package imports Streamlit. ``python -m core`` is its command line.
"""

import os

# Read by GNU OpenMP when torch is imported, so it is set before. A training thread that waits for its team mate spins
# for so many turns and then sleeps. With the default of 300,000 it burns the core the mate needs when another program
# wants one too; fewer cost nothing on a quiet machine (`python -m benchmarks.contention` measures both).
SPINS = os.environ.setdefault("GOMP_SPINCOUNT", "5000")

# Read by torch when it first allocates: large tensors lie in large pages where the system gives them to whoever asks.
# A training step allocates its feature maps anew; page faults and address translation cost less
# (`python -m benchmarks.steps` measures it).
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
