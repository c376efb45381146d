"""Work that is replayed on a GPU; on other devices it is simply called. A thread's stream is its own."""

import contextlib
import threading
import time

import pytest
import torch

from core.training import graphs

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU with CUDA")


def test_on_the_cpu_the_function_is_called_each_time():
    calls = []
    replayed = graphs.Replayed(calls.append, torch.device("cpu"))
    for kind in ("a", "b", "a"):
        replayed(kind)
    assert calls == ["a", "b", "a"]


def test_outside_a_recording_a_lane_runs_at_once():
    done = []
    with graphs.lane(3, torch.zeros(1)):
        done.append(1)
    assert done == [1]
    graphs.join_lanes()
    assert not graphs._forked and not graphs._read


def test_after_a_recording_that_failed_nothing_waits_for_its_lanes(monkeypatch):
    """On a GPU the next recording, maybe another run's, would wait for work that is not part of it."""

    def fail(kind: str) -> None:
        graphs._forked.add(2)
        graphs._read.append(torch.zeros(1))
        raise torch.OutOfMemoryError

    for name in ("CUDAGraph", "current_stream", "graph_pool_handle"):
        monkeypatch.setattr(torch.cuda, name, lambda: None)
    monkeypatch.setattr(torch.cuda, "graph", lambda *_, **__: contextlib.nullcontext())
    with pytest.raises(torch.OutOfMemoryError):
        graphs.Replayed(fail, torch.device("cuda"))._record("a")
    assert not graphs._forked and not graphs._read


@needs_gpu
def test_runs_that_begin_together_prepare_one_after_the_other():
    device, working, most = torch.device("cuda"), [], []

    def work(kind: int) -> None:
        working.append(kind)
        most.append(len(working))
        torch.ones(8, device=device).add_(1)
        time.sleep(0.01)
        working.remove(kind)

    def run(kind: int) -> None:
        graphs.claim_device(device)
        graphs.Replayed(work, device)(kind)

    threads = [threading.Thread(target=run, args=(kind,)) for kind in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 8


@needs_gpu
def test_a_record_repeats_what_the_function_did_with_the_values_of_now():
    device = torch.device("cuda")
    graphs.claim_device(device)
    total, factor = torch.zeros(4, device=device), torch.ones(4, device=device)
    calls = []

    def add(times: int) -> None:
        calls.append(times)
        with graphs.lane(0):
            part = factor * times
        graphs.join_lanes()
        total.add_(part)

    replayed = graphs.Replayed(add, device)
    replayed(2)
    factor.fill_(10)
    replayed(2)
    replayed(2)
    assert total.tolist() == [2 + 20 + 20] * 4
    assert calls == [2, 2], "once to be done, once to be recorded"


@needs_gpu
def test_threads_have_streams_of_their_own():
    streams = []

    def claim() -> None:
        graphs.claim_device(torch.device("cuda"))
        streams.append(torch.cuda.current_stream().cuda_stream)
        barrier.wait()

    barrier = threading.Barrier(8)
    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(streams)) == 8
