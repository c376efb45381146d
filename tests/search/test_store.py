"""Searches on disk: written, found, damaged, and in every backup."""

import json

import pytest

from core.base.errors import StoreError
from core.runs.backup import Backup
from core.runs.check import check
from core.runs.store import RunStore
from core.search.store import SearchStore
from core.study.store import StudyStore
from tests.search_made import made_search


def test_a_search_is_kept_beside_the_studies_and_is_none(store):
    searches = SearchStore(store)
    search_id = searches.create(made_search())
    assert searches.ids() == [search_id]
    assert StudyStore(store).ids() == []
    stored = searches.get(search_id)
    assert stored.search.created_at > 0
    assert stored.search.ranges == made_search().ranges
    assert not stored.control.going
    assert all(not item.problems for item in check(store))


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 9},
        {"control": {"going": 1}},
        {"control": {"held": ["x"]}},
        {"control": {"confirm": [-1]}},
        {"control": {"since": True}},
        {"control": {"more": 1}},
        {"control": []},
        {"vary": {}},
    ],
)
def test_a_damaged_file_is_named_and_harms_no_other(store, change):
    searches = SearchStore(store)
    good, bad = searches.create(made_search()), searches.create(made_search())
    path = searches.root / f"{bad}.search.json"
    content = json.loads(path.read_text())
    content.pop("check", None)
    path.write_text(json.dumps({name: value for name, value in content.items() if "sha" not in name} | change))
    with pytest.raises(StoreError):
        searches.get(bad)
    known, damaged = searches.all()
    assert list(known) == [good] and [item.id for item in damaged] == [bad]


def test_a_larger_budget_lets_an_ended_search_go_on(store):
    searches = SearchStore(store)
    search_id = searches.create(made_search(trials=2))
    searches.extend(search_id, 5, 10.0)
    stored = searches.get(search_id)
    assert (stored.search.trials, stored.search.minutes, stored.control.done) == (5, 10.0, "")


def test_a_backup_has_the_searches(store, tmp_path):
    search_id = SearchStore(store).create(made_search())
    backup = tmp_path / "backup"
    assert Backup(store, backup).update().problems == []
    other = RunStore(tmp_path / "other")
    assert Backup(other, backup).restore().problems == []
    assert SearchStore(other).get(search_id) == SearchStore(store).get(search_id)
