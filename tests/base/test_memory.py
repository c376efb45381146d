"""Memory that is kept while training: allocating what was freed costs no page faults; releasing gives it back."""

import subprocess
import sys

import pytest

from core.base.paths import PROJECT

PROGRAM = """
import ctypes, os, resource
from core.base.memory import keep_freed_memory, release_freed_memory
malloc, free = ctypes.CDLL(None).malloc, ctypes.CDLL(None).free
malloc.restype, malloc.argtypes, free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
size = 48 << 20

def pages():
    return int(open("/proc/self/statm").read().split()[1])

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = malloc(size)
    ctypes.memset(block, 1, size)
    free(block)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

keep_freed_memory()
first, again = faults(), faults()
kept = pages()
release_freed_memory()
print(first, again, (kept - pages()) * os.sysconf("SC_PAGE_SIZE") / size)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the GNU C library alone has these options")
def test_freed_memory_is_kept_until_it_is_released():
    answer = subprocess.run([sys.executable, "-c", PROGRAM], cwd=PROJECT, capture_output=True, text=True, check=True)
    first, again, returned = map(float, answer.stdout.split())
    assert again < first / 4
    assert returned > 0.9
