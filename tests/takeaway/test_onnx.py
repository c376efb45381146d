"""A network as ONNX: the same logits, for any number of images, and nothing about this computer."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from core.base.errors import StoreError
from core.base.paths import PROJECT
from core.config.run_config import RunConfig
from core.data import cifar10
from core.images.classify import Classifier
from core.takeaway.onnx import OPSET, TOLERANCE, check, exported, onnx_bytes
from tests.made import made_run, made_weights

#: Settings that change the graph: the shortcuts, the normalisation and the number of classes.
NETWORKS = {
    "A": {"model.depth": 8, "model.width": 4, "data.classes": ("cat", "dog", "ship")},
    "B": {"model.depth": 8, "model.width": 4, "model.shortcut": "B"},
    "report": {"model.depth": 8, "model.width": 4, "model.shortcut": "report", "data.normalization": "pixel-mean"},
}


def trained(store, **changes):
    """A run with weights that were never trained, which is enough to have logits."""
    run_id = made_run(store, 2, "finished", RunConfig().replace({"train.epochs": 2, **changes}), name="a <b> name")
    made_weights(store, run_id)
    return run_id


def logits(content: bytes, images: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return session.run(None, {"images": images.astype(np.float32) / 255})[0]


@pytest.mark.parametrize("network", NETWORKS)
def test_the_file_gives_the_logits_of_the_network_for_real_images(store, network):
    run_id = trained(store, **NETWORKS[network])
    content = onnx_bytes(store, run_id)
    classifier = Classifier.load(store, run_id)
    for images in (cifar10.load().images[:7], cifar10.load().images[59_999:]):
        with torch.inference_mode():
            expected = classifier.model(classifier.normalization(torch.tensor(images))).numpy()
        assert np.abs(logits(content, images) - expected).max() < TOLERANCE


def test_the_file_says_what_it_is_and_names_no_file_of_this_computer(store):
    run_id = trained(store, **NETWORKS["A"])
    content = exported(Classifier.load(store, run_id))
    model = onnx.load_model_from_string(content)
    about = {entry.key: entry.value for entry in model.metadata_props}
    assert about["run"] == run_id
    assert about["classes"] == "cat,dog,ship"
    assert about["epoch"] == "2"
    assert RunConfig.from_dict(json.loads(about["config"])) == store.run(run_id).config()
    assert {entry.domain: entry.version for entry in model.opset_import}[""] == OPSET
    (images,), (output,) = model.graph.input, model.graph.output
    assert [axis.dim_param or axis.dim_value for axis in images.type.tensor_type.shape.dim] == ["N", 3, 32, 32]
    assert [axis.dim_param or axis.dim_value for axis in output.type.tensor_type.shape.dim] == ["N", 3]
    assert str(PROJECT).encode() not in content and b".py" not in content


def test_a_file_with_other_logits_is_refused(store):
    first, second = (trained(store, **NETWORKS["A"]) for _ in range(2))
    made_weights(store, second, seed=1)
    content = exported(Classifier.load(store, first))
    images = cifar10.load().images[:4]
    assert check(content, Classifier.load(store, first), images) < TOLERANCE
    with pytest.raises(StoreError, match=second):
        check(content, Classifier.load(store, second), images)


def test_a_run_without_weights_has_no_network_to_take_away(store):
    with pytest.raises(StoreError):
        onnx_bytes(store, made_run(store, 0, "queued"))


def test_no_file_is_made_whose_logits_differ(store, monkeypatch):
    first, second = (trained(store, **NETWORKS["A"]) for _ in range(2))
    made_weights(store, second, seed=1)
    monkeypatch.setattr("core.takeaway.onnx.exported", lambda _: exported(Classifier.load(store, first)))
    with pytest.raises(StoreError, match=second):
        onnx_bytes(store, second)
