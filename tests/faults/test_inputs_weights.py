"""Hostile weights and training states: of another network, full of NaN, with code in them, or packed as a bomb."""

import os
import pickle
import zipfile

import pytest
import torch
from safetensors.torch import load_file, save

from core.base.errors import LabError, StoreError
from core.config.run_config import RunConfig
from core.images.classify import Classifier
from core.model.resnet import ResNet
from core.training.checkpoint import load_state
from tests.faults.app import app_on, assert_names, errors_on, open_page
from tests.made import made_run, tiny_config

CLASSES = ("cat", "deer", "dog")


class Trap:
    """Make a folder when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.fixture
def run_id(store):
    """Return a run of three classes with untrained weights."""
    made = made_run(store, config=tiny_config("data.classes=cat,deer,dog"))
    model = ResNet(8, 3, 8, generator=torch.Generator().manual_seed(0))
    inputs = {"input.mean": torch.full((3, 1, 1), 0.5), "input.std": torch.full((3, 1, 1), 0.25)}
    store.run(made).write_file(
        "best.safetensors", save({**model.state_dict(), **inputs}, {"classes": ",".join(CLASSES)})
    )
    return made


def changed(name, change):
    """Return a function that changes one tensor of the weights."""
    return lambda tensors: save({**tensors, name: change(tensors[name])}, {"classes": ",".join(CLASSES)})


#: Files that are not the run's weights, and what the message must name.
WEIGHTS = {
    "text": (lambda _: b"no weights", []),
    "pickle": (lambda tensors: pickle.dumps({name: tensor.tolist() for name, tensor in tensors.items()}), []),
    "header longer than the file": (lambda _: (2**40).to_bytes(8, "little") + b"{}", []),
    "wrong shape": (changed("classifier.weight", lambda _: torch.zeros(10, 32)), []),
    "input of the wrong shape": (changed("input.mean", lambda _: torch.zeros(1)), []),
    "additional tensor": (lambda tensors: save({**tensors, "more": torch.zeros(1)}), []),
    "no input": (lambda tensors: save({k: v for k, v in tensors.items() if k != "input.std"}), []),
    "NaN": (changed("classifier.weight", lambda tensor: tensor * float("nan")), ["numbers"]),
    "zero deviation": (changed("input.std", torch.zeros_like), ["numbers"]),
    "different classes": (lambda tensors: save(tensors, {"classes": "ship,deer,dog"}), ["ship, deer, dog"]),
}


@pytest.mark.parametrize(("make", "words"), WEIGHTS.values(), ids=WEIGHTS.keys())
def test_unusable_weights_are_explained_and_classify_nothing(store, monkeypatch, run_id, make, words):
    store.run(run_id).write_file("best.safetensors", make(load_file(store.run(run_id).best_weights())))
    with pytest.raises(StoreError) as caught:
        Classifier.load(store, run_id)
    assert_names(caught.value, run_id, *words)
    app = open_page(app_on(store, monkeypatch), "classify", run=run_id)
    app.file_uploader[0].upload("image.png", PNG)
    app.run()
    assert not app.exception and not app.dataframe
    assert_names(errors_on(app), run_id, *words)


def test_a_pickle_with_code_as_weights_does_not_run(store, run_id, tmp_path):
    store.run(run_id).write_file("best.safetensors", pickle.dumps(Trap(tmp_path / "trap")))
    with pytest.raises(StoreError, match=run_id):
        Classifier.load(store, run_id)
    assert not (tmp_path / "trap").exists()


def test_weights_whose_output_overflows_classify_nothing(store, run_id):
    make = changed("classifier.weight", lambda tensor: torch.full_like(tensor, 3e38))
    store.run(run_id).write_file("best.safetensors", make(load_file(store.run(run_id).best_weights())))
    with pytest.raises(StoreError, match="numbers"):
        Classifier.load(store, run_id).probabilities(torch.full((1, 3, 32, 32), 200, dtype=torch.uint8).numpy())


def saved(path, content):
    torch.save(content, path)


def packed(path, _):
    """Write a state of a few kilobytes that unpacks to a gigabyte."""
    torch.save({"model": {"weight": torch.zeros(4)}}, path)
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content + bytes(2**24) if "/data/" in name else content)


STATES = {
    "code": (saved, Trap),
    "code in a state": (saved, lambda trap: {"model": Trap(trap)}),
    "bare pickle with code": (lambda path, content: path.write_bytes(pickle.dumps(content)), Trap),
    "old format with code": (lambda path, code: torch.save(code, path, _use_new_zipfile_serialization=False), Trap),
    "zip bomb": (packed, lambda trap: None),
    "other zip file": (lambda path, _: zipfile.ZipFile(path, "w").writestr("a", "b"), lambda trap: None),
    "list": (saved, lambda trap: [1, 2]),
    "empty file": (lambda path, _: path.write_bytes(b""), lambda trap: None),
}


@pytest.mark.parametrize(("write", "make"), STATES.values(), ids=STATES.keys())
def test_a_hostile_state_runs_nothing_and_is_explained(store, tmp_path, write, make):
    path, trap = store.root / made_run(store) / "last.pt", tmp_path / "trap"
    write(path, make(trap))
    with pytest.raises(LabError) as caught:
        load_state(path.read_bytes(), path.parent.name, RunConfig())
    assert_names(caught.value, "last.pt", path.parent.name)
    assert not trap.exists()


PNG = (
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0\x90wS\xde\0\0\0\x0cIDATx\x9cc\xf8\xcf\xc0\0\0\x03\x01"
    b"\x01\0\xc9\xfe\x92\xef\0\0\0\0IEND\xaeB`\x82"
)
