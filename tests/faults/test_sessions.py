"""Several people watch while a run trains: there is no error, and no epoch is lost."""

import threading

from benchmarks.sessions import PAGES, watch_together
from tests.conftest import wait_for
from tests.made import tiny_config


def test_three_sessions_watch_a_run_without_an_error_or_a_lost_epoch(serve):
    server = serve()
    run_id = server.store.create(tiny_config("train.epochs=12"), name="watched")
    ended = threading.Event()

    def end() -> None:
        wait_for(lambda: not server.store.run(run_id).status().active)
        ended.set()

    waiting = threading.Thread(target=end)
    waiting.start()
    sessions = watch_together(f"ws{server.url.removeprefix('http')}/_stcore/stream", run_id, 3, ended, stay=1.5)
    waiting.join()
    assert [session.errors for session in sessions] == [[], [], []]
    assert set.union(*(set(session.opened) for session in sessions)) == set(PAGES)
    assert sum(len(times) for session in sessions for times in session.refreshed.values()) > 0
    status = server.store.run(run_id).status()
    assert (status.state, status.epoch, status.error) == ("finished", 12, None)
    assert [record.epoch for record in server.store.run(run_id).records()] == list(range(1, 13))
    assert "Traceback" not in server.log
