"""The laboratory without a browser: configuration, data, model, training, runs, queue, figures.

Nothing in this package imports Streamlit. ``python -m core`` is its command line.
"""

import os

# Read by GNU OpenMP when torch is imported, so it is set before. A training thread that waits for its team spins at
# first and then sleeps; with the default of 300,000 turns it burns the core its team mate needs whenever a page or
# another program wants one, and a step takes ten times as long (`python -m benchmarks.contention` measures it).
SPINS = os.environ.setdefault("GOMP_SPINCOUNT", "5000")
