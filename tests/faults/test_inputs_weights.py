"""Weights and states from elsewhere: of another network, of no numbers, with code in them, or packed to burst."""

import os
import pickle
import zipfile

import pytest
import torch
from safetensors.torch import load_file, save

from core.base.errors import LabError, StoreError
from core.images.classify import Classifier
from core.model import resnet
from core.training.checkpoint import load_state
from tests.faults.opened import app_on, opened, sentences
from tests.made import made_run, tiny_config

CLASSES = ("cat", "deer", "dog")
NO_USE = "cannot be used: the file is damaged or belongs to another network"


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.fixture
def run_id(store):
    """A run of three classes with weights that were never trained."""
    made = made_run(store, config=tiny_config("data.classes=cat,deer,dog"))
    model = resnet(8, 3, 8, generator=torch.Generator().manual_seed(0))
    inputs = {"input.mean": torch.full((3, 1, 1), 0.5), "input.std": torch.full((3, 1, 1), 0.25)}
    store.run(made).write_file(
        "best.safetensors", save({**model.state_dict(), **inputs}, {"classes": ",".join(CLASSES)})
    )
    return made


def changed(name, change):
    """The weights with one tensor changed."""
    return lambda tensors: save({**tensors, name: change(tensors[name])}, {"classes": ",".join(CLASSES)})


WEIGHTS = {
    "no weights": (lambda _: b"no weights", NO_USE),
    "a pickle": (lambda tensors: pickle.dumps({name: one.tolist() for name, one in tensors.items()}), NO_USE),
    "a head that is longer than the file": (lambda _: (2**40).to_bytes(8, "little") + b"{}", NO_USE),
    "another shape": (changed("classifier.weight", lambda one: torch.zeros(10, 32)), NO_USE),
    "an input of another shape": (changed("input.mean", lambda one: torch.zeros(1)), NO_USE),
    "a tensor more": (lambda tensors: save({**tensors, "more": torch.zeros(1)}), NO_USE),
    "no input": (lambda tensors: save({k: v for k, v in tensors.items() if k != "input.std"}), NO_USE),
    "no numbers": (changed("classifier.weight", lambda one: one * float("nan")), "some are no numbers"),
    "a deviation of nothing": (changed("input.std", torch.zeros_like), "some are no numbers"),
    "other classes": (lambda tensors: save(tensors, {"classes": "ship,deer,dog"}), "they tell ship, deer, dog apart"),
}


@pytest.mark.parametrize(("make", "sentence"), WEIGHTS.values(), ids=WEIGHTS.keys())
def test_weights_that_are_not_the_runs_give_a_sentence_and_no_answer(store, monkeypatch, run_id, make, sentence):
    path = store.run(run_id).best_weights()
    path.write_bytes(make(load_file(path)))
    with pytest.raises(StoreError, match=f"The weights of run {run_id} cannot be used"):
        Classifier.load(store, run_id)
    app = opened(app_on(store, monkeypatch), "classify", run=run_id)
    app.file_uploader[0].upload("one.png", PNG)
    app.run()
    assert not app.exception and not app.dataframe
    assert sentence in sentences(app) and run_id in sentences(app)


def test_a_pickle_with_code_in_place_of_weights_does_not_run(store, run_id, tmp_path):
    store.run(run_id).best_weights().write_bytes(pickle.dumps(Trap(tmp_path / "trap")))
    with pytest.raises(StoreError, match="cannot be used"):
        Classifier.load(store, run_id)
    assert not (tmp_path / "trap").exists()


def test_weights_so_large_that_nothing_is_a_number_give_no_answer(store, run_id):
    path = store.run(run_id).best_weights()
    path.write_bytes(changed("classifier.weight", lambda one: torch.full_like(one, 3e38))(load_file(path)))
    with pytest.raises(StoreError, match="no numbers come out"):
        Classifier.load(store, run_id).probabilities(torch.full((1, 3, 32, 32), 200, dtype=torch.uint8).numpy())


def saved(path, content):
    torch.save(content, path)


def packed(path, _):
    """A state of a few kilobytes that unpacks to a gigabyte."""
    torch.save({"model": {"weight": torch.zeros(4)}}, path)
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content + bytes(2**24) if "/data/" in name else content)


STATES = {
    "code": (saved, Trap),
    "code in a state": (saved, lambda trap: {"model": Trap(trap)}),
    "a bare pickle with code": (lambda path, content: path.write_bytes(pickle.dumps(content)), Trap),
    "the old form with code": (
        lambda path, content: torch.save(content, path, _use_new_zipfile_serialization=False), Trap,
    ),
    "a packed bomb": (packed, lambda trap: None),
    "a zip of something": (lambda path, _: zipfile.ZipFile(path, "w").writestr("a", "b"), lambda trap: None),
    "a list": (saved, lambda trap: [1, 2]),
    "nothing": (lambda path, _: path.write_bytes(b""), lambda trap: None),
}  # fmt: skip


@pytest.mark.parametrize(("write", "make"), STATES.values(), ids=STATES.keys())
def test_a_state_from_elsewhere_runs_nothing_and_gives_a_sentence(store, tmp_path, write, make):
    path, trap = store.root / made_run(store) / "last.pt", tmp_path / "trap"
    write(path, make(trap))
    with pytest.raises(LabError, match=f"last.pt of run {path.parent.name} (is damaged|holds no state)"):
        load_state(path)
    assert not trap.exists()


PNG = (
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0\x90wS\xde\0\0\0\x0cIDATx\x9cc\xf8\xcf\xc0\0\0\x03\x01"
    b"\x01\0\xc9\xfe\x92\xef\0\0\0\0IEND\xaeB`\x82"
)
