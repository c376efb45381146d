"""A trained network as an ONNX file, for other programs. It is compared with the network before anyone gets it.

The graph takes ``images``, float32 (N, 3, 32, 32): red, green and blue from 0 to 1, for any N. It subtracts the mean of
the training images and divides by their deviation itself, so that a program needs no numbers besides the file, and
gives ``logits``, float32 (N, k). The file's metadata has the run, the epoch, the classes in the order of the logits,
and the configuration.
"""

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core.base.errors import StoreError
from core.base.strict_json import to_json
from core.config.sections import IMAGE_SIZE, TRAIN_IMAGES
from core.data import cifar10
from core.data.task import Normalization
from core.images.classify import Classifier
from core.runs.store import RunStore
from core.training.environment import Environment, one_thread
from core.training.evaluation import predict

#: The version of ONNX's operators. PyTorch writes this one without conversion; runtimes know it since 2023.
OPSET = 18
#: The largest allowed difference between a logit of the file and one of the network, both in 32 bits.
TOLERANCE = 1e-4
#: Test images of CIFAR-10 that the file is checked on.
CHECKED_IMAGES = 256


class _WithNormalization(nn.Module):
    """The network behind the normalisation of its images.

    Its buffers have the names of no operator: onnxscript 0.5.0 gives a buffer ``mean`` and the network's mean over the
    pixels the same name, and the graph is invalid.
    """

    image_mean: Tensor
    image_std: Tensor

    def __init__(self, model: nn.Module, normalization: Normalization):
        super().__init__()
        self.model = model
        self.register_buffer("image_mean", normalization.mean)
        self.register_buffer("image_std", normalization.std)

    def forward(self, images: Tensor) -> Tensor:
        return self.model((images - self.image_mean) / self.image_std)


def onnx_bytes(store: RunStore, run_id: str) -> bytes:
    """Return a run's best weights as an ONNX file.

    Raises StoreError if there are none or if the file gives other logits than the network, and DataError without
    CIFAR-10, whose test images it is checked on.
    """
    classifier = Classifier.load(store, run_id)
    images = cifar10.load().images[TRAIN_IMAGES : TRAIN_IMAGES + CHECKED_IMAGES]
    with one_thread():
        content = exported(classifier)
        check(content, classifier, images)
    return content


def exported(classifier: Classifier) -> bytes:
    """Return the network as an ONNX file, unchecked."""
    network = _WithNormalization(classifier.model, classifier.normalization).eval()
    program = torch.onnx.export(
        network,
        (torch.zeros(2, 3, IMAGE_SIZE, IMAGE_SIZE),),
        input_names=["images"],
        output_names=["logits"],
        opset_version=OPSET,
        dynamo=True,
        dynamic_shapes={"images": {0: torch.export.Dim("N")}},
        verbose=False,
    )
    assert program is not None
    model = program.model_proto
    _forget_origin(model)
    onnx.helper.set_model_props(model, metadata(classifier))
    model.doc_string = (
        f"Logits of {len(classifier.classes)} classes from RGB images of {IMAGE_SIZE}×{IMAGE_SIZE} pixels, float32 "
        "from 0 to 1; normalisation included."
    )
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def metadata(classifier: Classifier) -> dict[str, str]:
    """Return what the file says about itself, all as text."""
    return {
        "run": classifier.run_id,
        "epoch": "" if classifier.epoch is None else str(classifier.epoch),
        "classes": ",".join(classifier.classes),
        "input": f"images: float32 (N, 3, {IMAGE_SIZE}, {IMAGE_SIZE}), RGB from 0 to 1; normalisation is in the graph",
        "output": f"logits: float32 (N, {len(classifier.classes)}), in the order of the classes",
        "data": "CIFAR-10",
        "config": to_json(classifier.config.to_dict()),
    }


def check(content: bytes, classifier: Classifier, images: NDArray[np.uint8]) -> float:
    """Return the largest difference between the logits of the file and of the network, for uint8 (n, 3, 32, 32).

    Raises StoreError if it is larger than :data:`TOLERANCE`.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"images": images.astype(np.float32) / 255})
    environment = Environment("cpu", "fp32", 1)
    expected = predict(classifier.model, torch.tensor(images), classifier.normalization, environment).numpy()
    difference = float(np.abs(logits - expected).max())
    if not difference <= TOLERANCE:  # NaN is no agreement either
        raise StoreError(
            f"The ONNX file of run {classifier.run_id} gives other logits than the network: they differ by up to "
            f"{difference:.2g}, and {TOLERANCE:g} is allowed. Nothing was written; take the weights instead."
        )
    return difference


def _forget_origin(model: onnx.ModelProto) -> None:
    """Remove what PyTorch notes about where each part comes from: it names files and folders of this computer."""
    graph = model.graph
    for part in (
        *graph.node,
        *graph.input,
        *graph.output,
        *graph.value_info,
        *graph.initializer,
        graph,
        *model.functions,
    ):
        part.ClearField("metadata_props")
        if part.DESCRIPTOR.fields_by_name.get("doc_string"):
            part.ClearField("doc_string")
