"""Memory that training uses again and again: kept by the process while it trains, given back afterwards."""

import contextlib
import ctypes
import functools

#: Options of mallopt in glibc's malloc.h, and values for them.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_NEVER, _LARGE = 2**31 - 1, 2**30


@functools.cache
def keep_freed_memory() -> None:
    """Let this process keep memory that it frees from now on; :func:`release_freed_memory` returns what is free then.

    A training step allocates its feature maps anew. By default the GNU C library returns some of what they took to the
    system after each step, which then gives it back page by page, filled with zeros. Does nothing on other systems.
    """
    with contextlib.suppress(OSError, AttributeError):  # musl, macOS
        library = ctypes.CDLL(None)
        library.mallopt(_MMAP_THRESHOLD, _LARGE)
        library.mallopt(_TRIM_THRESHOLD, _NEVER)


def release_freed_memory() -> None:
    """Return memory that is free to the system."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
