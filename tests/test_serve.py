"""The server without any browser: what has to happen at its start, and what a kill leaves behind."""

import socket

from core.runs.storage import Storage
from core.runs.store import RunStore
from tests.conftest import answers, wait_for
from tests.made import made_run, tiny_config


def test_before_any_browser_connects_dead_runs_are_marked_and_the_queue_goes_on(serve, store):
    dead = made_run(store, epochs=2, state="running")
    waiting = store.create(tiny_config("train.epochs=2"))
    server = serve()
    wait_for(lambda: store.run(waiting).status().state == "finished")
    assert store.run(dead).stored_status().state == "interrupted"
    assert server.url in server.log


def test_killed_in_the_middle_the_next_server_finds_the_run_interrupted_and_the_queue_in_order(serve, store):
    Storage(store).change(runs_at_once=1)
    first = store.create(tiny_config("train.epochs=2000"))
    second, third = (store.create(tiny_config("train.epochs=2")) for _ in range(2))
    server = serve()
    wait_for(lambda: len(store.run(first).records()) >= 2)
    assert store.run(first).status().state == "running"
    server.kill()
    assert store.run(first).status().state == "interrupted"
    kept = len(store.run(first).records())
    serve()
    wait_for(lambda: store.run(third).status().state == "finished")
    assert store.run(first).stored_status().state == "interrupted"
    assert len(store.run(first).records()) >= kept
    assert store.run(second).status().started_at < store.run(third).status().started_at


def test_two_servers_on_one_folder_train_each_run_once(serve, store):
    runs = [store.create(tiny_config("train.epochs=2")) for _ in range(4)]
    serve()
    serve()
    wait_for(lambda: all(store.run(one).status().state == "finished" for one in runs))
    other = RunStore(store.root)
    assert all(other.run(one).log().count("Training from epoch") == 1 for one in runs)


def test_connections_that_take_every_descriptor_do_not_end_a_training(serve, store):
    """69 idle connections ended it where 256 descriptors are allowed."""
    server = serve(descriptors=256)
    run_id = store.create(tiny_config("train.epochs=14"))
    wait_for(lambda: len(store.run(run_id).records()) >= 2)
    port = int(server.url.rpartition(":")[2])
    idle = []
    try:
        for _ in range(300):
            idle.append(socket.create_connection(("127.0.0.1", port), timeout=5))
        wait_for(lambda: "Too many open files" in server.log)
        before = len(store.run(run_id).records())
        wait_for(lambda: store.run(run_id).status().state != "running")
        status = store.run(run_id).status()
        assert (status.state, status.epoch, status.error) == ("finished", 14, None)
        assert before < 12, "the connections came too late to test anything"
        assert store.run(run_id).last_state() and store.run(run_id).best_weights()
    finally:
        for connection in idle:
            connection.close()
    said = server.log.count("Too many open files")
    assert said <= 10, "each thread says it once or twice; the log does not grow every second"
    wait_for(lambda: answers(server))
