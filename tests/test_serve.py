"""The server without any browser: what has to happen at its start, and what a kill leaves behind."""

from core.runs.store import RunStore
from tests.conftest import wait_for
from tests.made import made_run, tiny_config


def test_before_any_browser_connects_dead_runs_are_marked_and_the_queue_goes_on(serve, store):
    dead = made_run(store, epochs=2, state="running")
    waiting = store.create(tiny_config("train.epochs=2"))
    server = serve()
    wait_for(lambda: store.run(waiting).status().state == "finished", 120)
    assert store.run(dead).stored_status().state == "interrupted"
    assert server.url in server.log.read_text()


def test_killed_in_the_middle_the_next_server_finds_the_run_interrupted_and_the_queue_in_order(serve, store):
    first = store.create(tiny_config("train.epochs=2000"))
    second, third = (store.create(tiny_config("train.epochs=2")) for _ in range(2))
    server = serve()
    wait_for(lambda: len(store.run(first).records()) >= 2, 120)
    assert store.run(first).status().state == "running"
    server.kill()
    assert store.run(first).status().state == "interrupted"
    kept = len(store.run(first).records())
    serve()
    wait_for(lambda: store.run(third).status().state == "finished", 120)
    assert store.run(first).stored_status().state == "interrupted"
    assert len(store.run(first).records()) >= kept
    assert store.run(second).status().started_at < store.run(third).status().started_at


def test_two_servers_on_one_folder_train_each_run_once(serve, store):
    runs = [store.create(tiny_config("train.epochs=2")) for _ in range(4)]
    serve()
    serve()
    wait_for(lambda: all(store.run(one).status().state == "finished" for one in runs), 180)
    other = RunStore(store.root)
    assert all(other.run(one).log().count("Training from epoch") == 1 for one in runs)
