"""The app as page tests open it."""

import functools
from pathlib import Path

import pytest
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

import core.jobs.worker
import core.search.driver
from core.data import cifar10
from tests.made import idle_driver, idle_worker

APP = Path(__file__).parents[2] / "app.py"

# Each AppTest looks for components in all installed packages, which takes longer than to run a page.
manifest_scanner.scan_component_manifests = functools.cache(manifest_scanner.scan_component_manifests)


@pytest.fixture
def app(store, monkeypatch):
    """The whole app on the test's own runs, with a worker that takes none and no driver of searches; not yet opened."""
    monkeypatch.setenv("RESNET_LAB_RUNS", str(store.root))
    monkeypatch.setattr(core.jobs.worker, "ensure_worker", idle_worker)
    monkeypatch.setattr(core.search.driver, "ensure_driver", idle_driver)
    monkeypatch.setattr(cifar10, "available", lambda folder=None: True)
    return AppTest.from_file(str(APP), default_timeout=60)
