"""Extending a run whose saved state was deleted to save space."""

import pytest

from core.base.errors import StoreError
from core.jobs.extend import extension
from tests.made import made_run


def test_a_run_without_its_saved_state_says_why_it_cannot_be_extended(store):
    run_id = made_run(store)
    store.run(run_id).write_file("last.pt", b"state")
    store.run(run_id).delete_states()
    with pytest.raises(StoreError, match="deleted to save space") as error:
        extension(store, run_id, 9)
    assert run_id in str(error.value) and "Copy its settings" in str(error.value)
    assert store.summary(run_id).state == "finished"
