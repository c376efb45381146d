"""The folder of runs: one run's files, all runs as summaries, the queue, the trash, export and import.

How a run is trained is in :mod:`core.jobs`; how runs are compared, estimated and shown, in the packages above.
Nothing here imports torch: pages must stay quick.
"""

from core.runs.folder import Meta, RunFolder, Status
from core.runs.store import RunStore
from core.runs.summary import DamagedRun, RunSummary, labels
from core.runs.transfer import export, import_runs

__all__ = ["DamagedRun", "Meta", "RunFolder", "RunStore", "RunSummary", "Status", "export", "import_runs", "labels"]
