"""Several people look on while a run trains: no error, no lost epoch, no one's pictures on another's page."""

import threading

from benchmarks.sessions import PAGES, look_on
from tests.conftest import wait_for
from tests.made import tiny_config


def test_three_sessions_poll_a_run_and_none_of_its_epochs_is_lost(serve):
    server = serve()
    run_id = server.store.create(tiny_config("train.epochs=12"), name="watched")
    ended = threading.Event()

    def end() -> None:
        wait_for(lambda: not server.store.run(run_id).status().active, 200)
        ended.set()

    waiting = threading.Thread(target=end)
    waiting.start()
    found = look_on(f"ws{server.url.removeprefix('http')}/_stcore/stream", run_id, 3, ended, stays=1.5)
    waiting.join()
    assert [one.errors for one in found] == [[], [], []]
    assert set.union(*(set(one.opened) for one in found)) == set(PAGES)
    assert sum(len(times) for one in found for times in one.redrawn.values()) > 0
    status = server.store.run(run_id).status()
    assert (status.state, status.epoch, status.error) == ("finished", 12, None)
    assert [one.epoch for one in server.store.run(run_id).records()] == list(range(1, 13))
    assert "Traceback" not in server.log.read_text()
