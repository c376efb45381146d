"""What the tests of costs share: a machine with two cores and plenty of memory, without a GPU."""

import pytest

from core.cost import together

GB = 10**9


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    """Two cores, plenty of memory and no GPU, whatever this machine has."""
    monkeypatch.setattr(together, "core_count", lambda: 2)
    monkeypatch.setattr(together, "has_gpu", lambda: False)
    monkeypatch.setattr(together, "memory_limit", lambda device: 100 * GB)
    monkeypatch.setattr(together, "free_memory_of", lambda device: 90 * GB)
