"""The loop most people would write: ResNet-20 by torchvision's dataset and transforms, a DataLoader, fp32, SGD.

Written after the scripts that are shared for this task (a folder of PNGs or the pickled batches, PIL transforms picture
by picture in worker processes, tensors in PyTorch's own layout, loss and accuracy read after every batch). It uses
nothing of this project but the images, and is what benchmarks/throughput.py compares with.
"""

import itertools
import time
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from core.data import cifar10


class Cifar(Dataset[tuple[Tensor, int]]):
    """The 50,000 training pictures as torchvision's CIFAR10 gives them: PIL, then transforms."""

    def __init__(self, pictures: int):
        data = cifar10.load()
        self.images = data.images[:pictures].transpose(0, 2, 3, 1).copy()
        self.labels = data.labels[:pictures].tolist()
        self.transform = transforms.Compose(
            [
                transforms.RandomHorizontalFlip(),
                transforms.RandomCrop(32, 4),
                transforms.ToTensor(),
                transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
            ]
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, at: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.images[at])), self.labels[at]


class Block(nn.Module):
    """A basic block with shortcut A."""

    def __init__(self, c_in: int, c_out: int):
        super().__init__()
        stride = c_out // c_in
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.pad = c_in // 2 if stride == 2 else 0

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.pad, self.pad)) if self.pad else x
        return F.relu(out)


class ResNet20(nn.Module):
    """He et al.'s network for CIFAR-10."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        channels = [16] * 4 + [32] * 3 + [64] * 3
        self.layers = nn.Sequential(*(Block(a, b) for a, b in itertools.pairwise(channels)))
        self.linear = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        out = self.layers(F.relu(self.bn1(self.conv1(x))))
        return self.linear(F.avg_pool2d(out, out.size(3)).flatten(1))


def train(pictures: int, batch_size: int, workers: int, threads: int, warm_up: int = 5) -> Iterator[float]:
    """Train epoch after epoch; yields the images per second of each, its first batches left out."""
    torch.set_num_threads(threads)
    loader = DataLoader(Cifar(pictures), batch_size, shuffle=True, num_workers=workers, drop_last=True)
    model = ResNet20()
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=1e-4)
    criterion = nn.CrossEntropyLoss()
    while True:
        model.train()
        losses = correct = seen = 0.0
        began = time.perf_counter()
        for batch, (images, labels) in enumerate(loader):
            if batch == warm_up:  # workers have started, kernels are ready
                began, seen = time.perf_counter(), 0.0
            output = model(images)
            loss = criterion(output, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses += loss.item() * len(labels)
            correct += (output.argmax(1) == labels).float().sum().item()
            seen += len(labels)
        yield seen / (time.perf_counter() - began)
