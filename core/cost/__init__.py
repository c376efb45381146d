"""What a run will cost: its network's arithmetic and memory, this machine's speed, and so its time.

Nothing is timed here and PyTorch is not imported: speeds come from earlier runs, or from a measurement by
:mod:`core.jobs.probe`.
"""

from core.cost.estimate import Estimate, estimate, estimates
from core.cost.network import Cost, memory_bytes, network_cost
from core.cost.speed import Speed

__all__ = ["Cost", "Estimate", "Speed", "estimate", "estimates", "memory_bytes", "network_cost"]
