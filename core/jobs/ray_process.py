"""The process that trains runs on a Ray cluster, for the server of the pages: starting it, and what it says.

Ray ends a process that loses its cluster for a minute, so the server never connects to one. While the settings name a
cluster, a process ``resnet-lab work --on ray`` works the queue in place of the server's worker. Both wait for the
queue's lock, so that never two work it. That process writes what it knows into a file, which the pages read. Nothing
here imports Ray.
"""

import contextlib
import math
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass

from core.base.errors import StoreError
from core.base.files import read_file, write_json
from core.base.paths import PROJECT
from core.base.strict_json import from_json, with_check, without_check
from core.base.text import counted
from core.runs.storage import Storage
from core.runs.store import RunStore

#: Seconds before a process that ended is started again.
PAUSE_SECONDS = 15.0
#: Seconds after which what the process wrote is old: it is dead, or starting again.
FRESH_SECONDS = 15.0


@dataclass(frozen=True)
class ClusterState:
    """What the cluster at ``address`` has: nodes that can train, and their CPUs and GPUs.

    ``dashboard``: its address, empty if there is none. ``token``: whether the cluster asks for a token. ``local``:
    whether it listens on 127.0.0.1 alone.
    """

    address: str
    nodes: int = 0
    cpus: int = 0
    gpus: int = 0
    dashboard: str = ""
    token: bool = False
    local: bool = False

    def text(self) -> str:
        """Return ``2 nodes with 16 CPUs and 1 GPU``."""
        return f"{counted(self.nodes, 'node')} with {counted(self.cpus, 'CPU')} and {counted(self.gpus, 'GPU')}"


@dataclass(frozen=True)
class ClusterReport(ClusterState):
    """What the process that works on a cluster knew ``at`` a time, in seconds since 1970.

    ``runs`` that train there; ``waiting``: why the next run does not start, although nothing is wrong; ``trouble``: a
    sentence if something is wrong.
    """

    at: float = 0.0
    runs: int = 0
    waiting: str = ""
    trouble: str = ""

    def of(self, address: str) -> bool:
        """Return whether the process wrote this lately, of the cluster at ``address``, and has reached it."""
        return self.address == address and self.nodes > 0 and abs(time.time() - self.at) < FRESH_SECONDS


def write_report(store: RunStore, report: ClusterReport) -> None:
    """Keep what the process knows. Nothing depends on it: an error is ignored."""
    with contextlib.suppress(StoreError, OSError):
        store.cache_folder.mkdir(parents=True, exist_ok=True)
        write_json(store.cache_folder / "cluster.json", with_check(asdict(report)), durable=False)


def read_report(store: RunStore) -> ClusterReport | None:
    """Return what the process wrote last, however long ago; ``None`` without it."""
    try:
        return ClusterReport(**without_check(from_json(read_file(store.cache_folder / "cluster.json"))))
    except (OSError, ValueError, TypeError, StoreError):
        return None


def cluster_name(address: str) -> str:
    """Return ``Ray cluster at 10.0.0.1:6379``."""
    return "Ray cluster of this computer" if address == "auto" else f"Ray cluster at {address}"


def what_is_there(report: ClusterReport | None, address: str) -> str:
    """Return what the cluster has: ``2 nodes with 16 CPUs and 1 GPU; 3 runs train there.``"""
    if report is None or not report.of(address):
        return f"Connecting to the {cluster_name(address)}; this takes up to a minute."
    return f"{report.text()}; {counted(report.runs, 'run')} {'trains' if report.runs == 1 else 'train'} there."


def what_is_exposed(cluster: ClusterState) -> str:
    """Return who else can use the cluster, and with it this computer."""
    who = (
        "Everyone who has the cluster’s token"
        if cluster.token
        else "The cluster asks for no token: everyone who can reach it"
    )
    where = (
        "Only programs on this computer can reach it."
        if cluster.local
        else "Ray listens on all network addresses of each node and does not encrypt: use it in a network that you "
        "trust. docs/cluster.md lists its ports, and has rules for a firewall."
    )
    return f"{who} can run programs on its nodes and on this computer. {where}"


def chosen_cluster(store: RunStore) -> str | None:
    """Return the address of the cluster that the settings name; ``None`` for this computer."""
    return Storage(store).settings_or_never().cluster


def cluster_trouble(store: RunStore) -> str | None:
    """Return what is wrong with the cluster that the settings name; ``None`` if nothing is, or without one."""
    address, report = chosen_cluster(store), read_report(store)
    return report.trouble or None if address and report and report.address == address else None


def cluster_waiting(store: RunStore) -> str | None:
    """Return why the next run does not start on the cluster that the settings name, although nothing is wrong."""
    address, report = chosen_cluster(store), read_report(store)
    return report.waiting or None if address and report and report.of(address) else None


class Keeper:
    """Keeps a process at work on the cluster that the settings name."""

    def __init__(self, store: RunStore):
        self._store = store
        self._process: subprocess.Popen[bytes] | None = None
        self._tried_at = -math.inf

    def look(self) -> bool:
        """Return whether the settings name a cluster; start the process for it if there is none.

        A process whose cluster the settings no longer name ends by itself when its runs have ended.
        """
        address = chosen_cluster(self._store)
        if address is None:
            return False
        if self.running() or time.monotonic() - self._tried_at < PAUSE_SECONDS:
            return True
        self._tried_at = time.monotonic()
        self._report_end(address)
        command = [sys.executable, "-m", "core", "work", "--on", "ray", "--address", address, "--for-server"]
        try:
            self._process = subprocess.Popen(
                [*command, "--runs", str(self._store.root)], cwd=PROJECT, stdin=subprocess.DEVNULL
            )
        except OSError as error:
            write_report(self._store, ClusterReport(address, at=time.time(), trouble=f"{error.strerror}."))
        return True

    def _report_end(self, address: str) -> None:
        """Say that the process ended, unless it said why."""
        report = read_report(self._store)
        if self._process is not None and not (report and report.trouble):
            trouble = f"The connection to the cluster ended (exit status {self._process.poll()}). Connecting again."
            write_report(self._store, ClusterReport(address, at=time.time(), trouble=trouble))

    def running(self) -> bool:
        """Return whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """End the process at once; the runs that it trains end with it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def parent_died(parent: int) -> bool:
    """Return whether the process ``parent`` that started this one has ended."""
    return os.getppid() != parent
