"""Which runs the table on Compare shows, and in which order."""

import unicodedata

import pytest

from core.compare import filters
from core.compare.filters import Filter, filtered
from core.compare.settings import ALL_CLASSES
from tests.made import made_run


def names(store, **wanted):
    return [run.name for run in filtered(store.runs(), Filter(**wanted))]


def test_without_a_filter_every_run_is_shown_newest_first_and_the_damaged_one_too(some_runs):
    assert names(some_runs)[1:] == ["waiting", "adam", "Pair", "Baseline"]
    assert filtered(some_runs.runs(), Filter())[0].state == "damaged"


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"search": "BASE"}, ["Baseline"]),
        ({"search": "warm-up"}, ["adam"]),
        ({"search": "old base"}, ["Baseline"]),
        ({"search": "old adam"}, []),
        ({"search": "(*["}, []),
        ({"states": ("queued",)}, ["waiting"]),
        ({"states": ("damaged",)}, [""]),
        ({"tags": ("sgd", "other")}, ["Baseline"]),
        ({"classes": ("deer, dog",)}, ["Pair"]),
        ({"classes": (ALL_CLASSES,), "states": ("finished",)}, ["adam", "Baseline"]),
    ],
)
def test_filters(some_runs, wanted, expected):
    assert names(some_runs, **wanted) == expected


@pytest.mark.parametrize("stored", ["Café Größe ﬁn", unicodedata.normalize("NFD", "Café Größe ﬁn")])
@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC"])
def test_a_search_finds_a_name_however_unicode_writes_it(store, stored, form):
    run_id = made_run(store, name=stored)
    for text in ("café", "CAFÉ", "größe", "GRÖSSE", "fin"):
        assert len(filtered(store.runs(), Filter(search=unicodedata.normalize(form, text)))) == 1, text
    if form != "NFKC":  # which writes another text
        assert store.find(unicodedata.normalize(form, stored)) == run_id


def test_pinned_runs_come_first_and_missing_values_last(some_runs):
    assert names(some_runs, sort="best")[:3] == ["Pair", "Baseline", "adam"]
    assert names(some_runs, sort="loss")[0] == "Pair"
    assert names(some_runs, sort="name", states=("finished",)) == ["adam", "Baseline", "Pair"]
    some_runs.run(some_runs.find("waiting")).annotate(pinned=True)
    assert names(some_runs, sort="best")[:2] == ["waiting", "Pair"]
    assert names(some_runs, sort="no such order")[0] == "waiting"


def test_tags_and_tasks_in_use(some_runs):
    assert filters.tags_in_use(some_runs.runs()) == ["old", "sgd"]
    assert filters.tasks_in_use(some_runs.runs()) == ["all ten", "deer, dog"]
