"""What all tests share: a store in a temporary folder, and servers of their own on free ports."""

import os
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import pytest

from core.runs.store import RunStore
from tests.programs import Program

# Read when Triton is imported: where there is no GPU, its interpreter runs the kernels on the CPU.
if not Path("/dev/nvidiactl").exists():
    os.environ.setdefault("TRITON_INTERPRET", "1")

# No test fails because the machine is busy.
hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.load_profile("no deadline")

# `make test` has a worker for each of two cores: a second thread would only take time from the other worker.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def flush_nothing(handle: int) -> None:
    """In place of os.fsync, which takes milliseconds: no test cuts the power. The descriptor must be open."""
    os.fstat(handle)


os.fsync = flush_nothing


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    """An empty store."""
    return RunStore(tmp_path / "runs")


@dataclass
class Server:
    """A laboratory of its own: where it answers, where its runs are, what it printed."""

    url: str
    store: RunStore
    process: Program

    @property
    def log(self) -> str:
        return self.process.out + self.process.err

    def kill(self) -> None:
        """End the server as a power cut would."""
        self.process.kill()


def start_server(
    folder: Path, script: str = "serve.py", address: str = "127.0.0.1", descriptors: int | None = None
) -> Server:
    """A server on a free port over the runs in ``folder``/runs, when it answers; whoever starts it ends it.

    ``descriptors``: how many file descriptors it may use.
    """
    with socket.socket() as one:
        one.bind((address, 0))
        port = one.getsockname()[1]
    runs = folder / "runs"
    environment = {**os.environ, "RESNET_LAB_RUNS": str(runs), "STREAMLIT_SERVER_ADDRESS": address}
    words = ("run", script, "--server.port", port)
    process = Program(*words, module="streamlit", environment=environment, descriptors=descriptors)
    server = Server(f"http://{address}:{port}", RunStore(runs), process)
    try:
        wait_for(lambda: answers(server))
    except BaseException:
        server.kill()
        raise
    return server


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts servers over the same runs; all are ended after the test."""
    started: list[Server] = []

    def start(script: str = "serve.py", address: str = "127.0.0.1", descriptors: int | None = None) -> Server:
        started.append(start_server(tmp_path, script, address, descriptors))
        return started[-1]

    yield start
    for one in started:
        one.kill()


def answers(server: Server) -> bool:
    """Whether the server is up; fails with its log if it ended."""
    assert server.process.poll() is None, server.log
    try:
        with urllib.request.urlopen(f"{server.url}/_stcore/health", timeout=2) as reply:
            return reply.status == 200
    except OSError:
        return False


def wait_for(what: Callable[[], object], seconds: float = 300) -> None:
    """Wait until ``what()`` is true; fail after a time that nothing healthy needs, however busy the machine is."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


#: Folders and files with the longest tests, in this order: what starts last must be short, or a worker is left alone.
LONG_FIRST = ("browser", "faults", "jobs", "test_serve.py", "test_security.py", "pages", "cli")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest tests."""

    def place(item: pytest.Item) -> int:
        top = item.path.relative_to(Path(__file__).parent).parts[0]
        return LONG_FIRST.index(top) if top in LONG_FIRST else len(LONG_FIRST)

    items.sort(key=place)
