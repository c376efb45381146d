"""Work that is replayed on a GPU; on other devices it is simply called. A thread's stream is its own."""

import threading

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
