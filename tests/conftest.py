"""What all tests share: a store in a temporary folder."""

from pathlib import Path

import pytest

from core.store import RunStore


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    """An empty store."""
    return RunStore(tmp_path / "runs")
