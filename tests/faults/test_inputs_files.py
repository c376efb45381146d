"""Hostile configurations, studies, archives and images: each is refused with a message that names the problem."""

import gzip
import io
import json
import struct
import tarfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from core.base.errors import ConfigError, DataError
from core.cli.main import main
from core.config.run_config import RunConfig
from core.data import sources
from core.data.fetch import acquire
from core.study.store import study_from_text
from tests.faults.app import app_on, assert_names, errors_on, open_page
from tests.made import made_run
from tests.pages.test_classify_page import png, run_with_weights

SOUND = RunConfig().to_dict()


def train(**values: object) -> str:
    """Return a config.json with ``values`` in its training section."""
    return json.dumps({**SOUND, "train": {**SOUND["train"], **values}})


# --- configurations -------------------------------------------------------------------------------

#: Contents of a config.json that cannot be used, and what the message must name.
CONFIGS = {
    "newer schema": (json.dumps({**SOUND, "schema": 99}), ["schema 99", "newer"]),
    "schema as text": (json.dumps({**SOUND, "schema": "1"}), ["schema"]),
    "NaN": (train(lr=float("nan")), ["train.lr", "nan"]),
    "infinity": ('{"schema": 1, "train": {"lr": 1e999}}', ["train.lr", "number"]),
    "huge integer": (train(epochs=10**400), ["train.epochs"]),
    "more digits than Python parses": ('{"schema": 1, "train": {"epochs": ' + "9" * 5000 + "}}", ["JSON"]),
    "nested too deeply": ("[" * 100_000, ["JSON"]),
    "unknown setting": ('{"schema": 1, "train": {"epoch": 3}}', ["train.epoch", "“train.epochs”"]),
    "truncated": ('{"schema": 1,', ["JSON"]),
    "zero byte": ("\0", ["JSON"]),
    "list": ("[]", []),
    "duplicate setting": ('{"schema": 1, "train": {"lr": 0.1, "lr": 0.5}}', ["lr", "twice"]),
    "list instead of number": (train(lr=[0.1]), ["train.lr", "number"]),
    "text instead of section": ('{"schema": 1, "train": "fast"}', ["train"]),
}


@pytest.mark.parametrize(("content", "words"), CONFIGS.values(), ids=CONFIGS.keys())
def test_page_and_command_line_explain_an_unusable_config(store, monkeypatch, capsys, content, words):
    run_id = made_run(store)
    path = store.root / run_id / "config.json"
    path.write_text(content)
    path.with_name("checksums.txt").unlink(missing_ok=True)  # a run from elsewhere, or from before there was a record
    assert main(["train", "--config", str(path), "--runs", str(store.root)]) == 1
    assert_names(capsys.readouterr().err, *words)
    assert_names(errors_on(open_page(app_on(store, monkeypatch), "run", run=run_id)), run_id, *set(words) - {"JSON"})
    assert store.ids() == [run_id] and path.read_text() == content


# --- studies --------------------------------------------------------------------------------------

VARY = {"train.lr": [0.1, 0.2]}
#: Contents of a study's file that cannot be used, and what the message must name.
STUDIES = {
    "newer schema": ({"schema": 99, "name": "x", "vary": VARY}, ["schema 99"]),
    "duplicate name": ('{"name": "x", "name": "y"}', ["JSON", "name", "twice"]),
    "nested too deeply": ("[" * 100_000, ["JSON", "nested"]),
    "too large": ('{"name": "' + "x" * 10**6 + '"}', ["1 MB"]),
    "list": ([1], ["study"]),
    "unknown setting": ({"name": "x", "vary": {"train.hack": [1]}}, ["train.hack"]),
    "text instead of values": ({"name": "x", "vary": {"train.lr": "0.1"}}, ["train.lr", "list"]),
    "nested values": ({"name": "x", "vary": {"train.lr": [[0.1], {}]}}, ["train.lr"]),
    "tables instead of seeds": ({"name": "x", "vary": VARY, "seeds": [{}]}, ["seeds"]),
    "infinite time": ('{"name": "x", "vary": {}, "created_at": 1e999}', ["created_at", "number"]),
}


@pytest.mark.parametrize(("content", "words"), STUDIES.values(), ids=STUDIES.keys())
def test_an_unusable_study_file_is_explained(content, words):
    text = content if isinstance(content, str) else json.dumps(content)
    with pytest.raises(ConfigError) as caught:
        study_from_text(text.encode())
    assert_names(caught.value, *words)


def test_control_characters_are_removed_from_a_studys_name():
    study = study_from_text(json.dumps({"name": "a\ud800\x1b[31m\nb", "note": "\ud800x", "vary": VARY}).encode())
    assert (study.name, study.note) == ("a[31m b", "x")


# --- archives of the data set ---------------------------------------------------------------------

BATCH = "cifar-10-batches-bin/data_batch_1.bin"


def tar(*members: tuple[str, bytes, bytes]) -> bytes:
    """Return a tar archive of (name, kind, content) members; the content of a link is its target."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, kind, content in members:
            info = tarfile.TarInfo(name)
            info.type = kind
            if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
                info.linkname, content = content.decode(), b""
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def bomb(kind: bytes) -> bytes:
    """Return a few hundred kilobytes that unpack to half a gigabyte, as a file or as a file name."""
    info = tarfile.TarInfo("a")
    info.type, info.size = kind, 500 << 20
    file = io.BytesIO()
    with gzip.open(file, "wb", 1) as packed:
        packed.write(info.tobuf(tarfile.GNU_FORMAT))
        for _ in range(500):
            packed.write(bytes(1 << 20))
    return file.getvalue()


def other_bytes() -> bytes:
    """Return an archive with all six batch names but wrong content."""
    return tar(*((BATCH.replace("data_batch_1", name), tarfile.REGTYPE, b"x") for name in sources.BATCH_NAMES))


#: Archives that are not CIFAR-10, and what the message must name.
ARCHIVES = {
    "path outside the folder": (lambda: tar(("../escaped.bin", tarfile.REGTYPE, b"x")), ["six"]),
    "path outside with a valid name": (lambda: tar((f"../{BATCH}", tarfile.REGTYPE, b"x")), ["six"]),
    "absolute path": (lambda: tar((f"/{BATCH}", tarfile.REGTYPE, b"x")), ["six"]),
    "symbolic link": (lambda: tar((BATCH, tarfile.SYMTYPE, b"/etc/passwd")), ["six"]),
    "hard link": (lambda: tar((BATCH, tarfile.LNKTYPE, b"/etc/passwd")), ["six"]),
    "device": (lambda: tar((BATCH, tarfile.CHRTYPE, b"")), ["six"]),
    "other bytes": (other_bytes, ["data_batch_1", "differs"]),
    "bomb": (lambda: bomb(tarfile.REGTYPE), ["400 MB"]),
    "bomb in a name": (lambda: bomb(tarfile.GNUTYPE_LONGNAME), ["400 MB"]),
    "truncated gzip": (lambda: tar((BATCH, tarfile.REGTYPE, b"x" * 9999))[:60], ["damaged"]),
}


@pytest.mark.parametrize(("make", "words"), ARCHIVES.values(), ids=ARCHIVES.keys())
def test_an_archive_that_is_not_cifar10_is_refused_and_writes_nothing_elsewhere(tmp_path, make, words):
    archive, cache = tmp_path / "given.tar.gz", tmp_path / "deep" / "cache"
    archive.write_bytes(make())
    with pytest.raises(DataError) as caught:
        acquire(cache, archive)
    assert_names(caught.value, str(archive), "RESNET_LAB_CIFAR10", *words)
    assert {path.name for path in cache.iterdir()} <= {".lock"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep", "given.tar.gz"]


def test_labels_nested_too_deeply_are_refused(tmp_path):
    (tmp_path / "test_lables.json").write_text("[" * 100_000)
    header = struct.pack(">IIBBBBB", 1024, 10_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(10_000 * (3 * 1024 + 1)), 1)), (b"IEND", b"")]
    with (tmp_path / "test_batch.png").open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for name, content in chunks:
            file.write(struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content)))
    with pytest.raises(DataError, match=r"test_lables\.json"):
        sources._read_npm({path.name: path for path in tmp_path.iterdir()}, "test_batch")


@settings(max_examples=60, deadline=None)
@given(change=st.binary(max_size=40), at=st.integers(0, 511))
def test_any_tar_header_is_read_or_refused(tmp_path_factory, change, at):
    with gzip.open(io.BytesIO(tar((BATCH, tarfile.REGTYPE, b"x")))) as packed:
        content = bytearray(packed.read())
    content[at : at + len(change)] = change
    archive = tmp_path_factory.mktemp("tar") / "a.tar"
    archive.write_bytes(content)
    try:
        for _ in sources._members(archive):
            pass
    except DataError as error:
        assert_names(error, "a.tar")


# --- images, on the page --------------------------------------------------------------------------


def bmp(width: int, height: int) -> bytes:
    """Return the header of a BMP file that claims this size in pixels."""
    return b"BM" + struct.pack("<IHHIIiiHHIIIIII", 54, 0, 0, 54, 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)


#: Files that are not images, by name, and what the message must name besides the file.
FILES = {
    "words.png": (b"words", []),
    "empty.jpg": (b"", ["empty"]),
    "page.png": (b"<!doctype html><script>alert(1)</script>", ["web page"]),
    "drawing.png": (b"<svg onload='alert(1)'/>", ["drawing"]),
    "script.png": (b"%!PS\n(x) run", ["PostScript"]),
    "huge.bmp": (bmp(60_000, 60_000), ["60,000 × 60,000", "megapixels"]),
    "cut.png": (png(1)[:100], ["PNG", "damaged"]),
    "large.png": (png(1) + bytes(10 << 20), ["10.5 MB"]),
    "<img src=x onerror=alert(1)>.png": (b"x", []),
    "../:red[x] [x](javascript:alert(1)) $y$.png": (b"x", []),
}


@pytest.fixture
def classify(store, monkeypatch) -> AppTest:
    run_with_weights(store)
    return open_page(app_on(store, monkeypatch), "classify")


def classified(app: AppTest) -> list[str]:
    """Return the file names in the page's table of predictions."""
    return [name for name in app.dataframe[0].value.to_numpy().ravel() if str(name).endswith(".png")]


@pytest.mark.parametrize(("name", "content", "words"), [(name, *case) for name, case in FILES.items()])
def test_a_file_that_is_not_an_image_is_explained_and_the_rest_are_classified(classify, name, content, words):
    classify.file_uploader[0].upload("good.png", png(1)).upload(name, content)
    classify.run()
    assert not classify.exception
    assert_names(errors_on(classify), f'"{name.removeprefix("../")}"', *words)
    assert classified(classify) == ["good.png"]


def test_at_most_two_hundred_images_are_read_and_the_rest_are_reported(classify):
    for index in range(198):
        classify.file_uploader[0].upload(f"{index}.png", png(1, (2, 2)))
    classify.run()
    for index in range(4):
        classify.file_uploader[0].upload(f"more-{index}.png", b"not an image" if index > 1 else png(1, (2, 2)))
    classify.run()
    assert len(classify.dataframe[0].value) == 200
    assert_names(errors_on(classify), "2", "200")
    assert "more-2" not in errors_on(classify), "a file beyond the limit is not even read"
    classify.button(key="clear").click().run()
    assert not classify.dataframe and not classify.warning


def test_each_session_sees_only_its_own_images(store, monkeypatch, classify):
    classify.file_uploader[0].upload("mine.png", png(1))
    classify.run()
    other = open_page(app_on(store, monkeypatch), "classify")
    assert not other.dataframe and "mine.png" not in str(other.main)
    other.file_uploader[0].upload("theirs.png", png(2))
    other.run()
    classify.run()
    assert classified(classify) == ["mine.png"]
    assert classified(other) == ["theirs.png"]
    assert not [path for path in Path(store.root).rglob("*") if "mine" in path.name]
