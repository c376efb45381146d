"""Configurations, studies, archives and pictures from elsewhere: each case with the sentence a person reads."""

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
from core.data import cifar10, sources
from core.study.store import study_from_text
from core.training.checkpoint import load_weights
from tests.faults.opened import app_on, opened, sentences
from tests.made import made_run
from tests.pages.test_classify_page import png, run_with_weights

SOUND = RunConfig().to_dict()


def train(**values: object) -> str:
    """A config.json with these values in its training section, whatever JSON makes of them."""
    return json.dumps({**SOUND, "train": {**SOUND["train"], **values}})


# --- configurations -------------------------------------------------------------------------------

CONFIGS = {
    "a newer program": (json.dumps({**SOUND, "schema": 99}), "written by a newer ResNet Lab (schema 99). Update"),
    "a schema that is text": (json.dumps({**SOUND, "schema": "1"}), "has schema “1”, but this program reads schema 1"),
    "no number": (train(lr=float("nan")), "train.lr: “nan” is not a number from 1e-07 to 10"),
    "a number without end": ('{"schema": 1, "train": {"lr": 1e999}}', "is not a number from 1e-07 to 10"),
    "a whole number without end": (train(epochs=10**400), "train.epochs: 10,000,000,000,000,0… is out of range"),
    "more digits than a reader takes": ('{"schema": 1, "train": {"epochs": ' + "9" * 5000 + "}}", "is no JSON file ("),
    "nested too deep": ("[" * 100_000, "is no JSON file ("),
    "a setting given twice": ('{"schema": 1, "train": {"lr": 0.1, "lr": 0.5}}', "is no JSON file (it names “lr” twice"),
    "a list for a number": (train(lr=[0.1]), "is not a number from 1e-07 to 10"),
    "a section that is text": ('{"schema": 1, "train": "fast"}', "train: is not a section of a configuration."),
}  # fmt: skip


@pytest.mark.parametrize(("content", "sentence"), CONFIGS.values(), ids=CONFIGS.keys())
def test_a_config_that_cannot_be_used_is_told_on_the_page_and_in_the_terminal(
    store, monkeypatch, capsys, content, sentence
):
    run_id = made_run(store)
    path = store.root / run_id / "config.json"
    path.write_text(content)
    assert main(["train", "--config", str(path), "--runs", str(store.root)]) == 1
    told = capsys.readouterr().err
    assert sentence in told and len(told) < 500
    said = sentences(opened(app_on(store, monkeypatch), "run", run=run_id))
    assert run_id in said and sentence.removeprefix("is no JSON file (") in said
    assert store.ids() == [run_id]


# --- studies --------------------------------------------------------------------------------------

VARY = {"train.lr": [0.1, 0.2]}
STUDIES = {
    "a newer program": ({"schema": 99, "name": "x", "vary": VARY}, "newer ResNet Lab"),
    "names given twice": ('{"name": "x", "name": "y"}', "not JSON (it names “name” twice)"),
    "nested too deep": ("[" * 100_000, "not JSON (nested too deep)"),
    "larger than a study": ('{"name": "' + "x" * 10**6 + '"}', "larger than the 1 MB that a study can have"),
    "a list": ([1], "is not a study: it holds no names and values"),
    "a setting there is not": ({"name": "x", "vary": {"train.hack": [1]}}, "train.hack: is not a known setting"),
    "values that are no list": ({"name": "x", "vary": {"train.lr": "0.1"}}, "train.lr: takes a list of values"),
    "values within values": ({"name": "x", "vary": {"train.lr": [[0.1], {}]}}, "train.lr"),
    "seeds that are tables": ({"name": "x", "vary": VARY, "seeds": [{}]}, "seeds"),
    "seconds without end": ('{"name": "x", "vary": {}, "created_at": 1e999}', "created_at: takes a number"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "sentence"), STUDIES.values(), ids=STUDIES.keys())
def test_a_study_file_that_cannot_be_used_is_told(content, sentence):
    text = content if isinstance(content, str) else json.dumps(content)
    with pytest.raises(ConfigError) as caught:
        study_from_text(text.encode())
    assert sentence in str(caught.value) and len(str(caught.value)) < 500


def test_the_name_of_a_study_can_always_be_shown():
    study = study_from_text(json.dumps({"name": "a\ud800\x1b[31m\nb", "note": "\ud800x", "vary": VARY}).encode())
    assert (study.name, study.note) == ("a[31m b", "x")


# --- archives of the data set ---------------------------------------------------------------------

BATCH = "cifar-10-batches-bin/data_batch_1.bin"


def tar(*members: tuple[str, bytes, bytes]) -> bytes:
    """A tar archive of (name, kind, content); a link's content is where it leads."""
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
    """A few hundred kilobytes that unpack to half a gigabyte, as a file or as the name of one."""
    info = tarfile.TarInfo("a")
    info.type, info.size = kind, 500 << 20
    file = io.BytesIO()
    with gzip.open(file, "wb", 1) as packed:
        packed.write(info.tobuf(tarfile.GNU_FORMAT))
        for _ in range(500):
            packed.write(bytes(1 << 20))
    return file.getvalue()


def other_bytes() -> bytes:
    """All six batches by name, with something else in them."""
    return tar(*((BATCH.replace("data_batch_1", name), tarfile.REGTYPE, b"x") for name in sources.BATCH_NAMES))


LACKS = "does not contain the six files of CIFAR-10"
ARCHIVES = {
    "a way out of the folder": (lambda: tar(("../escaped.bin", tarfile.REGTYPE, b"x")), LACKS),
    "a way out with a right name": (lambda: tar((f"../{BATCH}", tarfile.REGTYPE, b"x")), LACKS),
    "a place from the root": (lambda: tar((f"/{BATCH}", tarfile.REGTYPE, b"x")), LACKS),
    "a link for a batch": (lambda: tar((BATCH, tarfile.SYMTYPE, b"/etc/passwd")), LACKS),
    "a hard link for a batch": (lambda: tar((BATCH, tarfile.LNKTYPE, b"/etc/passwd")), LACKS),
    "a device for a batch": (lambda: tar((BATCH, tarfile.CHRTYPE, b"")), LACKS),
    "other bytes": (other_bytes, "its data_batch_1 differs from the official one, so it is damaged or another"),
    "a bomb": (lambda: bomb(tarfile.REGTYPE), "unpacks to more than 400 MB, so it is not CIFAR-10"),
    "a bomb for a name": (lambda: bomb(tarfile.GNUTYPE_LONGNAME), "unpacks to more than 400 MB, so it is not CIFAR-10"),
    "a torn gzip": (lambda: tar((BATCH, tarfile.REGTYPE, b"x" * 9999))[:60], "is cut short, damaged, or no tar"),
}  # fmt: skip


@pytest.mark.parametrize(("make", "sentence"), ARCHIVES.values(), ids=ARCHIVES.keys())
def test_an_archive_that_is_not_cifar10_is_refused_and_writes_nowhere_else(tmp_path, make, sentence):
    archive, cache = tmp_path / "given.tar.gz", tmp_path / "deep" / "cache"
    archive.write_bytes(make())
    with pytest.raises(DataError) as caught:
        cifar10.acquire(cache, archive, offline=True)
    assert sentence in str(caught.value) and "RESNET_LAB_CIFAR10 unset" in str(caught.value)
    assert {one.name for one in cache.iterdir()} <= {".lock"}
    assert sorted(one.name for one in tmp_path.iterdir()) == ["deep", "given.tar.gz"]


def test_labels_nested_too_deep_are_damage(tmp_path):
    (tmp_path / "test_lables.json").write_text("[" * 100_000)
    header = struct.pack(">IIBBBBB", 1024, 10_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(10_000 * (3 * 1024 + 1)), 1)), (b"IEND", b"")]
    with (tmp_path / "test_batch.png").open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for name, content in chunks:
            file.write(struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content)))
    with pytest.raises(DataError, match=r"test_lables\.json is damaged: it is not a list of labels"):
        sources._read_npm(tmp_path, "test_batch")


@settings(max_examples=60, deadline=None)
@given(change=st.binary(max_size=40), at=st.integers(0, 511))
def test_any_head_of_a_tar_is_read_or_refused(tmp_path_factory, change, at):
    with gzip.open(io.BytesIO(tar((BATCH, tarfile.REGTYPE, b"x")))) as packed:
        content = bytearray(packed.read())
    content[at : at + len(change)] = change
    archive = tmp_path_factory.mktemp("tar") / "a.tar"
    archive.write_bytes(content)
    try:
        for _ in sources._members(archive):
            pass
    except DataError as error:
        assert "a.tar" in str(error)


# --- pictures, on the page ------------------------------------------------------------------------


def bmp(width: int, height: int) -> bytes:
    """The head of a BMP that says it is this large."""
    return b"BM" + struct.pack("<IHHIIiiHHIIIIII", 54, 0, 0, 54, 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)


PICTURES = {
    "words.png": (b"words", '"words.png" is not an image this program can read'),
    "empty.jpg": (b"", '"empty.jpg" is empty'),
    "page.png": (b"<!doctype html><script>alert(1)</script>", '"page.png" is a web page or a drawing'),
    "drawing.png": (b"<svg onload='alert(1)'/>", '"drawing.png" is a web page or a drawing'),
    "script.png": (b"%!PS\n(x) run", '"script.png" is a PDF or PostScript document'),
    "huge.bmp": (bmp(60_000, 60_000), '"huge.bmp" has 60,000 × 60,000 pixels (3,600 megapixels)'),
    "cut.png": (png(1)[:100], '"cut.png" looks like a PNG file, but is truncated or damaged'),
    "large.png": (png(1) + bytes(10 << 20), '"large.png" has 10.5 MB'),
    "<img src=x onerror=alert(1)>.png": (b"x", '"<img src=x onerror=alert(1)>.png" is not an image'),
    "../:red[x] [x](javascript:alert(1)) $y$.png": (b"x", '":red[x] [x](javascript:alert(1)) $y$.png" is not'),
}  # fmt: skip


@pytest.fixture
def classify(store, monkeypatch) -> AppTest:
    run_with_weights(store)
    return opened(app_on(store, monkeypatch), "classify")


@pytest.mark.parametrize(("name", "content", "sentence"), [(name, *case) for name, case in PICTURES.items()])
def test_a_file_that_is_no_picture_is_told_and_the_others_go_on(classify, name, content, sentence):
    classify.file_uploader[0].upload("good.png", png(1)).upload(name, content)
    classify.run()
    assert not classify.exception
    assert sentence in sentences(classify)
    assert list(classify.dataframe[0].value["image"]) == ["good.png"]


def test_two_hundred_at_a_time_and_a_sentence_for_the_others_that_are_not_even_read(classify):
    for at in range(198):
        classify.file_uploader[0].upload(f"{at}.png", png(1, (2, 2)))
    classify.run()
    for at in range(4):
        classify.file_uploader[0].upload(f"more-{at}.png", b"no picture" if at > 1 else png(1, (2, 2)))
    classify.run()
    assert len(classify.dataframe[0].value) == 200
    assert sentences(classify).startswith("2 of the images were left out")
    assert "more-2" not in sentences(classify)
    classify.button(key="clear").click().run()
    assert not classify.dataframe and not classify.warning


def test_what_one_person_dropped_is_not_anothers(store, monkeypatch, classify):
    classify.file_uploader[0].upload("mine.png", png(1))
    classify.run()
    other = opened(app_on(store, monkeypatch), "classify")
    assert not other.dataframe and "mine.png" not in str(other.main)
    other.file_uploader[0].upload("theirs.png", png(2))
    other.run()
    classify.run()
    assert list(classify.dataframe[0].value["image"]) == ["mine.png"]
    assert list(other.dataframe[0].value["image"]) == ["theirs.png"]
    assert store.ids() and load_weights(store, store.ids()[0], store.run(store.ids()[0]).config())
    assert not [path for path in Path(store.root).rglob("*") if "mine" in path.name]
