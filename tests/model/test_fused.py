"""The fused operator against PyTorch's own operators and a computation in double precision; where it is not used."""

import os
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from core.base.paths import PROJECT
from core.model import fused
from core.model.resnet import ResNet
from core.training.environment import threads

LAST = torch.channels_last


@pytest.fixture(scope="module")
def operator():
    """The compiled operator; compiles it if that is not done."""
    try:
        fused.compile_operator()
    except fused.CannotCompile as error:
        pytest.skip(f"no fused operator: {error}")
    assert fused.load()
    return torch.ops.resnet_lab.norm_add_relu


class Case:
    """Inputs of the operator, and what it and the operators of PyTorch make of them in any precision."""

    def __init__(self, shape, dtype, *, residual: bool, twice: bool, offset: float = 0.0, spread: bool = False):
        rng = torch.Generator().manual_seed(0)
        channels = shape[1]

        def draw(*size: int) -> Tensor:
            return torch.randn(*size, generator=rng, dtype=torch.float64)

        self.x = (draw(*shape) + offset * draw(1, channels, 1, 1)).to(dtype)
        self.residual = draw(*shape).to(dtype) if residual else None
        self.weight, self.bias = (1 + 0.3 * draw(channels)).float(), draw(channels).float()
        self.mean, self.var = draw(channels).float(), draw(channels).square().float()
        self.twice = twice
        self.gradients = [draw(*shape).to(dtype) for _ in range(1 + twice)]
        if spread:  # as from a mean over the pixels: one number for all pixels of a channel
            self.gradients = [draw(*shape[:2], 1, 1).to(dtype).expand(shape) for _ in range(1 + twice)]

    def results(self, compute, kind: torch.dtype | None = None) -> dict[str, Tensor]:
        """Return outputs, gradients and running statistics; everything is computed in ``kind`` if given."""

        def leaf(tensor: Tensor | None) -> Tensor | None:
            if tensor is None:
                return None
            return tensor.to(kind or tensor.dtype).contiguous(memory_format=LAST).detach().requires_grad_()

        x, residual = leaf(self.x), leaf(self.residual)
        weight, bias = (
            tensor.to(kind or torch.float32).clone().requires_grad_() for tensor in (self.weight, self.bias)
        )
        mean, var = self.mean.to(kind or torch.float32).clone(), self.var.to(kind or torch.float32).clone()
        outputs = compute(x, weight, bias, residual, mean, var, 0.1, 1e-3, self.twice)
        torch.autograd.backward(outputs, [gradient.to(outputs[0].dtype) for gradient in self.gradients])
        found = {"output": outputs[0], "x": x.grad, "weight": weight.grad, "bias": bias.grad, "mean": mean, "var": var}
        return {name: tensor.detach() for name, tensor in found.items()} | (
            {"residual": residual.grad} if residual is not None else {}
        )


def stock(x, weight, bias, residual, mean, var, momentum, eps, twice):
    y = F.batch_norm(x, mean, var, weight, bias, True, momentum, eps)
    y = F.relu(y if residual is None else y + residual)
    return [y] * (1 + twice)


def error(found: Tensor, true: Tensor) -> float:
    """Return the relative error in the Euclidean norm."""
    return float((found.double() - true).norm() / true.norm())


SHAPES = [
    (4, 16, 8, 8),
    (3, 17, 5, 7),  # channels that fill no vector, and rows that fill no block
    (1, 64, 8, 8),  # one image
    (2, 100, 16, 16),
    (1, 1, 3, 3),
    (16, 16, 32, 32),  # several blocks
    (2, 515, 6, 6),
]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("residual", [True, False], ids=["residual", "alone"])
@pytest.mark.parametrize("twice", [True, False], ids=["twice", "once"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def test_it_is_as_exact_as_pytorch(operator, shape, residual, twice, dtype):
    case = Case(shape, dtype, residual=residual, twice=twice)
    true, ours, theirs = case.results(stock, torch.float64), case.results(operator), case.results(stock)
    assert ours.keys() == true.keys()
    exact = 1e-5 if dtype == torch.float32 else 0.02
    for name, tensor in ours.items():
        assert tensor.dtype == theirs[name].dtype and tensor.shape == theirs[name].shape
        assert error(tensor, true[name]) <= max(exact, 1.5 * error(theirs[name], true[name])), name
    if dtype == torch.float32:
        for name, tensor in ours.items():
            torch.testing.assert_close(tensor, theirs[name], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def test_a_large_mean_does_not_cancel(operator, dtype):
    case = Case((8, 16, 16, 16), dtype, residual=False, twice=False, offset=100.0)
    true, ours, theirs = case.results(stock, torch.float64), case.results(operator), case.results(stock)
    for name in ("output", "x", "weight", "bias"):
        assert error(ours[name], true[name]) <= max(1e-5, 1.1 * error(theirs[name], true[name])), name


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def test_gradients_in_other_layouts_count_as_they_are(operator, dtype):
    spread = Case((4, 24, 8, 8), dtype, residual=True, twice=True, spread=True)
    plain = Case((4, 24, 8, 8), dtype, residual=True, twice=True, spread=True)
    plain.gradients = [gradient.contiguous(memory_format=LAST) for gradient in plain.gradients]
    sliced = Case((4, 24, 8, 8), dtype, residual=True, twice=True, spread=True)
    sliced.gradients = [torch.cat([gradient, gradient], dim=3)[..., 4:12] for gradient in sliced.gradients]
    expected = plain.results(operator)
    for case in (spread, sliced):
        for name, tensor in case.results(operator).items():
            assert torch.equal(tensor, expected[name]), name


@pytest.mark.parametrize("shape", [(16, 16, 32, 32), (9, 17, 31, 31)], ids=str)
def test_the_same_bits_for_any_number_of_threads(operator, shape):
    for dtype in (torch.float32, torch.bfloat16):
        case, found = Case(shape, dtype, residual=True, twice=True), []
        for number in (1, 2, 3, 2):
            with threads(number):
                found.append(case.results(operator))
        for other in found[1:]:
            for name, tensor in other.items():
                assert torch.equal(tensor, found[0][name]), name


def test_one_of_two_outputs_may_have_no_gradient(operator):
    case = Case((2, 16, 8, 8), torch.float32, residual=False, twice=True)
    x = case.x.contiguous(memory_format=LAST).requires_grad_()
    arguments = case.weight, case.bias, None, case.mean, case.var, 0.1, 1e-3
    first, _ = operator(x, *arguments, True)
    first.backward(case.gradients[0])
    (once,) = operator(again := x.detach().requires_grad_(), *arguments, False)
    once.backward(case.gradients[0])
    assert torch.equal(x.grad, again.grad)


def test_nan_stays_nan(operator):
    """So that a diverged training is noticed."""
    case = Case((2, 16, 8, 8), torch.float32, residual=True, twice=False)
    case.residual[0, 3, 2, 2] = torch.nan
    for compute in (operator, stock):
        assert case.results(compute)["output"].isnan().sum() == 1
        case.results(compute)
    case.x[0, 0, 0, 0] = torch.nan
    assert case.results(operator)["output"][:, 0].isnan().all()
    assert case.results(operator)["x"][:, 0].isnan().all()


def test_a_second_derivative_is_refused(operator):
    case = Case((2, 8, 4, 4), torch.float32, residual=False, twice=False)
    x = case.x.contiguous(memory_format=LAST).requires_grad_()
    (y,) = operator(x, case.weight, case.bias, None, case.mean, case.var, 0.1, 1e-3, False)
    with pytest.raises(RuntimeError, match="second derivative"):
        torch.autograd.grad(y.sum(), x, create_graph=True)


@pytest.mark.parametrize("what", ["layout", "dtype", "residual"])
def test_what_it_does_not_cover_is_computed_by_pytorch(operator, what):
    case = Case((2, 8, 4, 6), torch.float32, residual=True, twice=True)
    kind = torch.float64 if what == "dtype" else torch.float32

    def call(compute):
        x = case.x.to(kind).contiguous(memory_format=torch.contiguous_format if what == "layout" else LAST)
        residual = case.residual.to(kind) if what != "residual" else case.residual[:1, :, :1, :1]
        rest = (tensor.to(kind).clone() for tensor in (case.mean, case.var))
        return compute(x, case.weight.to(kind), case.bias.to(kind), residual, *rest, 0.1, 1e-3, True)

    for ours, theirs in zip(call(operator), call(stock), strict=True):
        assert torch.equal(ours, theirs)


# --- in a network ---------------------------------------------------------------------------------


def gradients_of(model: ResNet, images: Tensor, *, wanted: bool) -> dict[str, Tensor]:
    model.zero_grad()
    with fused.fused_operators("cpu" if wanted else "none"):
        logits = model(images)
    F.cross_entropy(logits, torch.arange(len(images)) % 10).backward()
    return {name: parameter.grad.clone() for name, parameter in model.named_parameters()} | {"logits": logits.detach()}


@pytest.mark.parametrize("shortcut", ["A", "B", "report"])
@pytest.mark.parametrize("width", [4, 7, 16])
def test_a_network_trains_as_with_pytorchs_operators(operator, shortcut, width):
    images = torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(1)).contiguous(memory_format=LAST)
    models = [
        ResNet(8, width=width, shortcut=shortcut, generator=torch.Generator().manual_seed(0)).to(memory_format=LAST)
        for _ in range(2)
    ]
    ours, theirs = (gradients_of(model, images, wanted=bool(at)) for at, model in enumerate(reversed(models)))
    # Not to the last digit: where a sum is zero but for rounding, a ReLU passes its gradient in one of the two only.
    found, expected = (torch.cat([tensor.flatten() for tensor in results.values()]) for results in (ours, theirs))
    assert error(found, expected.double()) < 0.05
    torch.testing.assert_close(ours["logits"], theirs["logits"], rtol=1e-4, atol=1e-4)
    state, other = (model.state_dict() for model in models)
    assert list(state) == list(other)
    for name, tensor in state.items():
        torch.testing.assert_close(tensor, other[name], rtol=1e-4, atol=1e-5)
    assert int(models[0].norm.num_batches_tracked) == int(models[1].norm.num_batches_tracked) == 1


@pytest.fixture
def calls(operator, monkeypatch):
    """Counts the calls of the operator by networks."""
    counted = []
    kept = fused.norm_add_relu
    monkeypatch.setattr(fused, "norm_add_relu", lambda *args, **named: counted.append(1) or kept(*args, **named))
    return counted


def test_it_is_used_in_training_under_gradients_where_nobody_looks(calls):
    model, images = ResNet(8, width=4).to(memory_format=LAST), torch.rand(2, 3, 32, 32)
    seen = []

    def count() -> int:
        calls.clear()
        with fused.fused_operators("cpu"):
            model(images)
        return len(calls)

    assert count() == 7
    calls.clear()
    model(images)
    assert not calls, "outside of the block"
    with torch.no_grad():
        assert count() == 0
    handle = model.blocks[1].norm1.register_forward_hook(lambda *_: seen.append(1))
    assert count() == 0 and seen
    handle.remove()
    model.blocks[0].norm2.eval()
    assert count() == 0, "a norm that is frozen"
    assert model.eval() and count() == 0
    assert model.train() and count() == 7


def test_without_the_compiled_file_networks_use_pytorchs_operators(monkeypatch):
    monkeypatch.setattr(fused, "load", lambda: False)
    monkeypatch.setattr(fused, "norm_add_relu", None)
    with fused.fused_operators("cpu"):
        assert ResNet(8, width=4)(torch.rand(2, 3, 32, 32)).shape == (2, 10)


# --- compiling ------------------------------------------------------------------------------------


def test_without_a_compiler_it_says_so_and_succeeds(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("CXX", "no-such-compiler")
    command = [sys.executable, "-m", "core.model.fused"]
    answer = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    assert "no-such-compiler" in answer.stdout
    with pytest.raises(fused.CannotCompile, match="no-such-compiler"):
        fused.compile_operator()
    assert not list(tmp_path.rglob("*.so"))


def test_a_compiler_that_fails_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    compiler = tmp_path / "c++"
    compiler.write_text("#!/bin/sh\necho 'fused.cpp:1: error: too old' >&2; exit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    with pytest.raises(fused.CannotCompile, match="too old"):
        fused.compile_operator()
    assert not [path for path in (tmp_path / "resnet-lab").rglob("*") if path.is_file()]


def test_a_damaged_file_is_not_used(tmp_path):
    """Loaded in a process of its own."""
    program = (
        "from core.model import fused; file = fused.compiled_file(); file.parent.mkdir(parents=True);"
        "file.write_bytes(b'damaged'); assert not fused.load(); print(file)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program],
        cwd=PROJECT,
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.startswith(str(tmp_path))


def test_the_file_belongs_to_this_version_of_pytorch_and_processor(monkeypatch):
    name = fused.compiled_file().name
    assert torch.__version__ in name and fused.instructions() in name
    monkeypatch.setattr(torch, "__version__", "2.99.0")
    assert fused.compiled_file().name != name
