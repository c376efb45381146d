"""Work that is repeated on a GPU without the CPU: CUDA graphs of a function that only reads and writes fixed tensors.

A training step of ResNet-20 starts some 300 kernels of a few microseconds each; the CPU needs longer to start them one
by one than the GPU to compute them. A graph starts them all at once. None of them fills the GPU, so within a graph what
does not depend on each other runs side by side, in :func:`lane` after lane.
"""

import contextlib
import threading
import weakref
from collections.abc import Callable, Hashable, Iterator
from typing import Any, Generic, TypeVar

import torch

Kind = TypeVar("Kind", bound=Hashable)

#: One preparation at a time. A recording begins by waiting for the whole GPU and uses the lanes, and while it lasts no
#: thread may wait for the whole GPU. Kernels of Triton are compiled by the first run that needs them, not by each.
_preparing = threading.Lock()
_lanes: dict[int, torch.cuda.Stream] = {}
#: The lanes in use since they were last joined, and tensors that they read.
_forked: set[int] = set()
_read: list[torch.Tensor] = []
#: The stream of each thread, and streams of threads that have ended. PyTorch has 32 and then gives them out again.
_own = threading.local()
_free: list[Any] = []


class Replayed(Generic[Kind]):
    """A function of a ``kind``, which on CUDA is recorded once per kind and then replayed.

    The function returns nothing, reads and writes tensors whose addresses never change, and does not look at their
    values. Its first call of a kind runs as usual, which also prepares kernels and memory; then it is recorded, and
    further calls of this kind replay the record. On other devices it is simply called.
    """

    def __init__(self, function: Callable[[Kind], None], device: torch.device):
        self._function, self._on_cuda = function, device.type == "cuda"
        self._graphs: dict[Kind, torch.cuda.CUDAGraph] = {}
        self._pool: Any = torch.cuda.graph_pool_handle() if self._on_cuda else None

    def __call__(self, kind: Kind) -> None:
        if not self._on_cuda:
            self._function(kind)
        elif kind in self._graphs:
            self._graphs[kind].replay()
        else:
            with _preparing:
                self._function(kind)
                self._graphs[kind] = self._record(kind)

    def _record(self, kind: Kind) -> torch.cuda.CUDAGraph:
        graph, stream = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
        try:
            # "thread_local": other threads may train on the same GPU meanwhile.
            with torch.cuda.graph(graph, self._pool, stream, capture_error_mode="thread_local"):
                self._function(kind)
                join_lanes()
        finally:  # also if it fails, for example because memory runs out: the next recording must not wait for these
            _forget_lanes()
        return graph


@contextlib.contextmanager
def lane(number: int, *reads: torch.Tensor) -> Iterator[None]:
    """Record what the block does as something that runs beside what follows it, until :func:`join_lanes`.

    ``reads`` are tensors made outside the block that it reads and that may be forgotten before the lanes are joined.
    Outside a recording the block runs as usual. Work in the same lane runs in order.
    """
    if not _is_recording():
        yield
        return
    if number not in _lanes:
        # From the streams of high priority, which no thread has as its own.
        _lanes[number] = torch.cuda.Stream(priority=-1)
    side = _lanes[number]
    side.wait_stream(torch.cuda.current_stream())
    _forked.add(number)
    _read.extend(reads)
    with torch.cuda.stream(side):
        yield


def join_lanes() -> None:
    """Let what follows wait for all lanes."""
    if _is_recording():
        for number in sorted(_forked):
            torch.cuda.current_stream().wait_stream(_lanes[number])
        _forget_lanes()


def _forget_lanes() -> None:
    _forked.clear()
    _read.clear()


def _is_recording() -> bool:
    return torch.cuda.is_available() and torch.cuda.is_current_stream_capturing()


def claim_device(device: torch.device) -> None:
    """Prepare the calling thread to train on ``device``.

    On CUDA the thread gets a stream of its own, so that several runs share the GPU, and convolutions are computed in
    the same way each time and in full fp32 where fp32 is asked for.
    """
    if device.type == "cuda":
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.allow_tf32 = False
        with _preparing:  # CUDA forbids to wait for a GPU while a graph is recorded on it
            torch.cuda.synchronize()  # what other streams prepared for this thread
        torch.cuda.set_stream(_own_stream(device))


def _own_stream(device: torch.device) -> torch.cuda.Stream:
    """Return the calling thread's stream, which no other living thread has."""
    if not hasattr(_own, "stream"):
        _own.stream = _free.pop() if _free else torch.cuda.Stream(device)
        weakref.finalize(threading.current_thread(), _free.append, _own.stream)
    return _own.stream
