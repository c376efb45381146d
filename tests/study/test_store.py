"""Studies on disk: saved, found, changed, trashed and restored; damaged files."""

import json

import pytest

from core.base.errors import ConfigError, StoreError
from core.base.strict_json import with_check, without_check
from core.config.presets import PRESETS
from core.config.run_config import RunConfig
from core.study.store import MOST_BYTES, StudyStore, as_text, read_study, study_from_text
from core.study.study import Axis, Study
from tests.made import many_times

STUDY = Study("rates", PRESETS["quick"].config, (Axis("train.lr", (0.1, 0.2)),), (0, 1))


@pytest.fixture
def studies(store):
    return StudyStore(store)


def test_a_study_is_kept_and_read_back(studies):
    study_id = studies.create(STUDY)
    kept = studies.get(study_id)
    assert kept.created_at > 0
    assert (kept.name, kept.base, kept.axes, kept.seeds) == (STUDY.name, STUDY.base, STUDY.axes, STUDY.seeds)
    assert studies.all() == ({study_id: kept}, [])


def test_a_letter_is_written_in_one_way(studies):
    study_id = studies.create(Study("Cafe\u0301", STUDY.base, STUDY.axes, note="e\u0301"))
    assert (studies.get(study_id).name, studies.get(study_id).note) == ("Caf\xe9", "\xe9")
    text = as_text(STUDY).replace("rates", "Cafe\u0301").encode()
    assert study_from_text(text).name == "Caf\xe9"


def test_a_study_is_not_a_run(store, studies):
    studies.create(STUDY)
    assert store.ids() == []
    assert store.frame().empty


def test_a_study_is_found_by_what_people_call_it(studies):
    first = studies.create(STUDY)
    second = studies.create(Study("sizes", STUDY.base, STUDY.axes))
    assert studies.find("latest") == second
    assert studies.find("rates") == studies.find(first) == studies.find(first[-4:]) == first
    with pytest.raises(StoreError, match="matches 2 ids"):
        studies.find(first[:8])
    with pytest.raises(StoreError, match="no study “nothing”"):
        studies.find("nothing")


def test_a_changed_study_takes_the_place_of_the_old(studies):
    study_id = studies.create(STUDY)
    studies.update(study_id, lambda study: study.extended({"train.lr": [0.3]}, [2]))
    assert studies.get(study_id).axes[0].values == (0.1, 0.2, 0.3)
    with pytest.raises(ConfigError, match="vary"):
        studies.update(study_id, lambda study: Study("rates", STUDY.base, ()))
    assert studies.get(study_id).seeds == (0, 1, 2)


def test_a_study_put_away_can_be_brought_back(studies):
    study_id = studies.create(STUDY)
    studies.trash.put(study_id)
    assert (studies.ids(), studies.trash.ids()) == ([], [study_id])
    with pytest.raises(StoreError, match="in the trash; restore it"):
        studies.get(study_id)
    studies.trash.restore(study_id)
    assert (studies.ids(), studies.trash.ids()) == ([study_id], [])
    with pytest.raises(StoreError, match="not in the trash"):
        studies.trash.restore(study_id)


def test_the_trash_tells_its_studies_apart(studies):
    first, twin, damaged = (studies.create(STUDY) for _ in range(3))
    for study_id in (first, twin, damaged):
        studies.trash.put(study_id)
    (studies.root / ".trash" / f"{damaged}.json").write_text("{")
    assert studies.trash.labels() == {
        damaged: f"damaged · {damaged}",
        twin: f"{STUDY.name} ({twin[-4:]})",
        first: f"{STUDY.name} ({first[-4:]})",
    }
    assert list(studies.trash.labels()) == studies.trash.ids()


def test_a_study_that_came_with_the_program_is_read_only(studies):
    study_id = studies.create(STUDY)
    path = studies.root / f"{study_id}.json"
    content = without_check(json.loads(path.read_text()))
    path.write_text(json.dumps(with_check({**content, "reference": True})))
    for act in (lambda: studies.trash.put(study_id), lambda: studies.update(study_id, lambda study: STUDY)):
        with pytest.raises(StoreError, match="came with the program"):
            act()
    assert not studies.get(studies.create(studies.get(study_id))).reference


@pytest.mark.parametrize("content", ["", "{", "[]", "[" * 100_000, '{"name": "x"}', '{"schema": 9}'])
def test_a_damaged_study_spoils_no_other(studies, content):
    sound = studies.create(STUDY)
    (studies.root / "20260101-000000-abcd.json").write_text(content)
    (studies.root / "notes.json").write_text("not a study's name")
    found, damaged = studies.all()
    assert list(found) == [sound]
    assert [file.id for file in damaged] == ["20260101-000000-abcd"]
    assert damaged[0].problem.startswith("Study 20260101-000000-abcd cannot be used: ")


@pytest.mark.parametrize("bad", ["../../etc/passwd", "..", "", "x" * 500, "20260101-000000-abcd/../x"])
def test_an_id_from_outside_never_touches_a_path(studies, bad):
    for act in (studies.get, studies.trash.put, studies.trash.restore):
        with pytest.raises(StoreError, match="is not a study id"):
            act(bad)


def test_a_file_from_elsewhere_is_read_or_refused(tmp_path):
    path = tmp_path / "study.json"
    path.write_text(as_text(STUDY))
    assert read_study(path) == Study(STUDY.name, STUDY.base, STUDY.axes, STUDY.seeds)
    with pytest.raises(ConfigError, match="does not exist"):
        read_study(tmp_path / "none.json")
    path.write_bytes(b" " * (MOST_BYTES + 1))
    with pytest.raises(ConfigError, match="larger than the 1 MB"):
        read_study(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_study(tmp_path)


def test_an_exported_study_holds_nothing_of_this_machine():
    here = Study("x", STUDY.base.replace({"train.threads": 3, "train.device": "cpu"}), STUDY.axes, reference=True)
    there = study_from_text(as_text(here).encode())
    assert (there.base.train.threads, there.base.train.device, there.reference) == (None, "auto", False)
    assert there.base.replace({"train.threads": 3, "train.device": "cpu"}) == here.base != RunConfig()


def test_a_damaged_study_can_be_put_away(studies):
    study_id = studies.create(STUDY)
    (studies.root / f"{study_id}.json").write_text("{")
    studies.trash.put(study_id)
    assert (studies.ids(), studies.trash.ids()) == ([], [study_id])


def test_no_value_of_two_processes_that_change_one_study_is_lost(studies):
    study_id = studies.create(STUDY)
    program = (
        "import sys\n"
        "from core.runs.store import RunStore\n"
        "from core.study.form import grow\n"
        "from core.study.store import StudyStore\n"
        "studies, first = StudyStore(RunStore(sys.argv[1])), 100 * (1 + int(sys.argv[3]))\n"
        "for seed in range(first, first + 10):\n"
        "    grow(studies, sys.argv[2], [('train.lr', f'{seed / 1e5:g}')] if seed == first else [], str(seed))\n"
    )
    many_times(program, 2, studies.root.parent, study_id)
    study = studies.get(study_id)
    added = {first + seed for first in (100, 200) for seed in range(10)}
    assert set(study.seeds) == {*STUDY.seeds, *added}
    assert {0.001, 0.002} <= set(study.axes[0].values)


def test_a_study_that_is_put_away_is_not_changed(studies):
    study_id = studies.create(STUDY)
    studies.trash.put(study_id)
    with pytest.raises(StoreError, match="trash"):
        studies.update(study_id, lambda study: study)
    assert studies.ids() == []
