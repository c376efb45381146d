"""Made-up runs for the tests of Compare."""

import pytest

from core.config.run_config import RunConfig
from core.runs.store import RunStore
from tests.made import made_run

BASE = RunConfig().replace({"data.train_size": 4_500, "data.validation_size": 500, "train.epochs": 4})


@pytest.fixture
def some_runs(store: RunStore) -> RunStore:
    """A store with four runs and a damaged one."""
    made_run(store, name="Baseline", tags=("old", "sgd"), config=BASE)
    made_run(store, name="Pair", epochs=6, config=BASE.replace({"data.classes": ("deer", "dog"), "train.epochs": 6}))
    made_run(store, name="adam", note="no warm-up", epochs=2, config=BASE.replace({"train.optimizer": "adam"}))
    made_run(store, name="waiting", epochs=0, state="queued", config=BASE)
    (store.root / made_run(store, name="broken") / "config.json").write_text("{")
    return store
