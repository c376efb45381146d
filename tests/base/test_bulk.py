"""What is done to many runs at once."""

from core.base import bulk
from tests.made import made_record, made_run


def test_one_run_that_refuses_does_not_keep_the_others(store):
    ids = [made_run(store) for _ in range(3)]
    with store.run(ids[1]).hold():
        outcome = bulk.each(ids, store.trash.put)
    assert outcome.done == [ids[0], ids[2]]
    (problem,) = outcome.problems
    assert "is running; stop it before deleting it" in problem


def test_tags_are_added_and_removed(store):
    run_id = made_run(store, tags=("old", "kept"))
    store.run(run_id).retag([" new ", "kept", ""], ["old"])
    assert store.run(run_id).meta().tags == ("kept", "new")


def test_the_trash_tells_its_runs_apart(store):
    run_id, damaged = made_run(store, name="gone"), made_run(store)
    for one in (run_id, damaged):
        store.trash.put(one)
    (store.trash.folder / damaged / "meta.json").write_text("[")
    told = store.trash.labels()
    assert told[run_id] == f"gone · {100 * made_record(4).val_accuracy:.2f} % · {run_id}"
    assert told[damaged].startswith("damaged")
    assert list(told) == store.trash.ids()
