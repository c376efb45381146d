"""Shelf: ids follow the clock, whatever ids a wrong clock or another computer left behind."""

from datetime import datetime

import pytest

from core.config.run_config import RunConfig
from core.runs.store import RunStore
from core.study.store import StudyStore
from core.study.study import Study, axis
from tests.made import made_run


def dated(store: RunStore, day: str) -> str:
    """Return the id of a finished run that is dated on another ``day`` (YYYYMMDD)."""
    run_id = made_run(store)
    renamed = day + run_id[8:]
    (store.root / run_id).rename(store.root / renamed)
    return renamed


@pytest.mark.parametrize("place", ["runs", "trash", "studies"])
@pytest.mark.parametrize("day", ["20990101", "99991231", "29999999"])
def test_an_id_in_the_future_leaves_later_ids_at_the_present(store: RunStore, day: str, place: str) -> None:
    today = f"{datetime.now():%Y%m%d}"
    if place == "studies":
        studies = StudyStore(store)
        study = Study("a", RunConfig(), (axis("train.lr", [0.1, 0.2]),))
        old = studies.create(study)
        (studies.root / f"{old}.json").rename(studies.root / f"{day}{old[8:]}.json")
        first, second = studies.create(study), studies.create(study)
        assert studies.find("latest") == second
    else:
        future = dated(store, day)
        if place == "trash":
            store.trash.put(future)
        first, second = store.create(RunConfig()), store.create(RunConfig())
        assert store.find("latest") == second
    assert first < second and today <= first[:8] <= second[:8] < day


def test_a_run_in_the_future_is_the_latest_if_it_is_alone(store: RunStore) -> None:
    future = dated(store, "20990101")
    assert store.find("latest") == future
