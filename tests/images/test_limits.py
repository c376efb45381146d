"""Hostile images take little memory: measured as the peak of a process of their own."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from PIL import Image

from core.base.paths import PROJECT
from core.images import limits
from core.images.limits import Budget, is_modest, pages
from core.images.read import read_many
from tests.images import hostile

#: Above an idle process, with all that is kept.
MOST = 300_000_000

_MEASURE = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from core.images.tray import Tray

def of_process(name):
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024

trays = [Tray() for _ in range(4)]  # as many sessions at once
paths = sorted(Path(sys.argv[1]).iterdir())
idle = of_process("VmRSS")
with ThreadPoolExecutor(4) as pool:
    for tray, start in zip(trays, range(4)):
        pool.submit(tray.read, [(path.name, path) for path in paths[start::4]])
kept, refused = sum(len(tray.images) for tray in trays), sum(len(tray.refused) for tray in trays)
print(of_process("VmHWM") - idle, kept, refused)
"""


def measured(folder: Path) -> tuple[int, int, int]:
    """Peak memory above idle in bytes, images kept and images refused, of reading a folder's files in four threads."""
    command = [sys.executable, "-c", _MEASURE, str(folder)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    peak, kept, refused = map(int, done.stdout.split())
    return peak, kept, refused


linux = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc")


@linux
def test_a_few_hostile_images_at_once(tmp_path: Path) -> None:
    """Each would take more than all may, or did before the limits."""
    makers = {
        "thin.png": lambda: hostile.png((1, 64_000_000), 8, 0),
        "palette.png": lambda: hostile.png((8_000, 8_000), 8, 3),
        "grey.png": lambda: hostile.png((8_000, 8_000), 16, 0),
        "rgba.png": lambda: hostile.png((5_900, 5_900), 8, 6),
        "chunks.png": hostile.KINDS["PNG, a million empty chunks"],
        "exif.jpg": hostile.KINDS["JPEG, EXIF"],
        "segments.jpg": hostile.KINDS["JPEG, two million segments"],
        "alpha.webp": hostile.KINDS["WebP, lossless with alpha"],
        "same.tif": hostile.KINDS["TIFF, the same bytes many times"],
        "strips.tif": hostile.KINDS["TIFF, two million strips"],
        "tile.tif": hostile.KINDS["TIFF, a huge tile"],
        "runs.bmp": hostile.KINDS["BMP, run lengths"],
    }
    for name, make in makers.items():
        content = make()
        for number in range(2):
            (tmp_path / f"{number}-{name}").write_bytes(content)
    peak, kept, refused = measured(tmp_path)
    assert (kept, refused) == (8, 16)
    assert peak <= MOST


@linux
@pytest.mark.slow
def test_two_hundred_hostile_images_at_once(tmp_path: Path) -> None:
    for name, content in hostile.files(200):
        (tmp_path / name.replace("/", "")).write_bytes(content)
    peak, kept, refused = measured(tmp_path)
    assert kept + refused == 200
    assert kept >= 60
    assert peak <= MOST


@linux
def test_two_hundred_images_that_are_all_kept(tmp_path: Path) -> None:
    """The largest copies are kept of squares; the most memory is needed when they are there and each thread decodes."""
    small, large = hostile.png((400, 400), 8, 0), hostile.png((8_000, 8_000), 16, 0)
    for number in range(200):
        (tmp_path / f"{number:03}.png").write_bytes(small if number < 196 else large)
    peak, kept, _ = measured(tmp_path)
    assert kept == 200
    assert peak <= MOST


def test_errors_keep_no_file_in_memory() -> None:
    """A traceback would hold the file and its pixels."""
    (error,) = read_many([("x.png", hostile.png((500, 500), 8, 2)[:-40])])
    assert isinstance(error, Exception)
    assert (error.__traceback__, error.__cause__, error.__context__) == (None, None, None)


def test_photos_of_twelve_megapixels_are_read_in_every_format(tmp_path: Path) -> None:
    photo = Image.effect_noise((40, 30), 60).resize((4_000, 3_000)).convert("RGB")
    for form, options in {
        "JPEG": {},
        "PNG": {"compress_level": 1},
        "WebP": {"method": 0},
        "GIF": {"optimize": True},
        "TIFF": {"compression": "jpeg"},
    }.items():
        path = tmp_path / form
        photo.save(path, form, **options)  # type: ignore[arg-type]
        (result,) = read_many([(form, path)])
        assert not isinstance(result, Exception), result
        assert (result.width, result.height) == (4_000, 3_000)


# --- what is shared -------------------------------------------------------------------------------


def test_one_that_needs_more_than_is_free_waits() -> None:
    budget, order = Budget(10), []
    inside, done = threading.Event(), threading.Event()

    def second() -> None:
        inside.wait()
        with budget.take(5):
            order.append("second")
        done.set()

    thread = threading.Thread(target=second)
    thread.start()
    with budget.take(7):
        inside.set()
        with budget.take(3):
            order.append("first")
        assert not done.wait(0.1)
    assert done.wait(10)
    thread.join()
    assert order == ["first", "second"]


def test_the_budget_is_given_back_after_an_error() -> None:
    budget = Budget(10)
    for _ in range(3):
        with pytest.raises(MemoryError), budget.take(10):
            raise MemoryError


def test_every_image_that_is_allowed_fits_the_budget() -> None:
    assert limits.BUDGET.most >= limits.MOST_BYTES


# --- directories ----------------------------------------------------------------------------------


def test_pages_are_counted_and_end() -> None:
    assert pages(hostile.pages(7)) == 7
    assert pages(hostile.pages(5_000)) == limits.MOST_PAGES
    looped = bytearray(hostile.pages(2))
    looped[-4:] = (8).to_bytes(4, "little")
    assert pages(bytes(looped)) == 2
    assert pages(b"II*\0") == pages(b"") == 1


def test_directories_that_claim_more_than_there_is() -> None:
    assert is_modest(hostile.pages(3))
    assert is_modest(b"")
    assert not is_modest(hostile.many_references())
    assert not is_modest(hostile.KINDS["TIFF, two million strips"]())
