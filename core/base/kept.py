"""What a browser tab has begun and not finished, on disk for a day, so that a refresh of the page does not lose it.

It is found by a random id, which is in the address of the page and which nobody guesses. Keeping is a convenience: what
cannot be written or read is left out without an error.
"""

import contextlib
import hashlib
import os
import re
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.base.errors import StoreError
from core.base.files import read_file, write_atomically, write_json
from core.base.strict_json import from_json

#: Seconds after which something is deleted that was not used since.
KEPT_FOR = 86_400.0
_ID, _FILE = re.compile("[0-9a-f]{32}"), re.compile("[0-9a-f]{64}")


class Kept:
    """A folder of contents by random id, and of files by the hash of their bytes, so that tabs can share them."""

    def __init__(self, folder: Path):
        self.folder = folder

    def save(self, content: Mapping[str, Any], kept_id: str = "") -> str:
        """Keep ``content`` under an id that this returned, or under a new one. Return the id, or "" if that fails."""
        if not kept_id:
            self.sweep()
        kept_id = kept_id or secrets.token_hex(16)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_json(self._content(kept_id), content, durable=False)
        except (OSError, StoreError):
            return ""
        return kept_id

    def load(self, kept_id: str) -> dict[str, Any]:
        """Return the content with this id, empty if there is none."""
        if not _ID.fullmatch(kept_id):
            return {}
        try:
            content = from_json(read_file(self._content(kept_id)))
            os.utime(self._content(kept_id))
        except (OSError, StoreError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def save_file(self, content: bytes) -> str:
        """Keep the bytes of a file. Return its name."""
        name = hashlib.sha256(content).hexdigest()
        if not self.touch(name):
            with contextlib.suppress(OSError, StoreError):
                self.folder.mkdir(parents=True, exist_ok=True)
                write_atomically(self.folder / name, content, durable=False)
        return name

    def touch(self, name: str) -> bool:
        """Keep a file for another day. Return whether there is one of this name."""
        try:
            os.utime(self.folder / name)
        except OSError:
            return False
        return bool(_FILE.fullmatch(name))

    def file(self, name: str) -> bytes | None:
        """Return the bytes of a file, or None if it is gone or damaged."""
        if not _FILE.fullmatch(name):
            return None
        with contextlib.suppress(OSError, StoreError):
            content = read_file(self.folder / name)
            if hashlib.sha256(content).hexdigest() == name:
                return content
        return None

    def sweep(self) -> None:
        """Delete what was not used for a day."""
        with contextlib.suppress(OSError):
            for path in self.folder.iterdir():
                if path.lstat().st_mtime < time.time() - KEPT_FOR:
                    path.unlink()

    def _content(self, kept_id: str) -> Path:
        return self.folder / f"{kept_id}.json"
