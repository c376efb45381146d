"""Train ResNet-20 with a typical PyTorch loop, as a reference for speed: torchvision transforms, DataLoader, fp32, SGD.

    python -m benchmarks.plain BATCH_SIZE WORKERS [IMAGES [DEVICE]]     # prints the speed of the second epoch as JSON

The loop is like the scripts that people share for this task: PIL transforms for each image in worker processes, tensors
in PyTorch's default layout, loss and accuracy read after every batch. Of this project it uses only the images.
"""

import itertools
import json
import os
import sys
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
    """The training images as in torchvision's CIFAR10: PIL images, then transforms."""

    def __init__(self, image_count: int):
        data = cifar10.load()
        self.images = data.images[:image_count].transpose(0, 2, 3, 1).copy()
        self.labels = data.labels[:image_count].tolist()
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

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), self.labels[index]


class Block(nn.Module):
    """A basic residual block with shortcut A (He et al. 2016)."""

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
    """The ResNet-20 of He et al. (2016) for CIFAR-10."""

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


def train(
    image_count: int, batch_size: int, workers: int, threads: int, warm_up: int = 5, device: str = "cpu"
) -> Iterator[float]:
    """Train without end; yield the images per second of each epoch, measured after ``warm_up`` batches."""
    torch.set_num_threads(threads)
    loader = DataLoader(Cifar(image_count), batch_size, shuffle=True, num_workers=workers, drop_last=True)
    model = ResNet20().to(device)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=1e-4)
    criterion = nn.CrossEntropyLoss()
    while True:
        model.train()
        losses = correct = seen = 0.0
        began = time.perf_counter()
        for batch, (images, labels) in enumerate(loader):
            if batch == warm_up:  # the workers have started and the kernels are ready
                began, seen = time.perf_counter(), 0.0
            images, labels = images.to(device), labels.to(device)
            output = model(images)
            loss = criterion(output, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses += loss.item() * len(labels)
            correct += (output.argmax(1) == labels).float().sum().item()
            seen += len(labels)
        yield seen / (time.perf_counter() - began)


if __name__ == "__main__":
    arguments = dict(enumerate(sys.argv[1:]))
    batch_size, workers, image_count = int(arguments[0]), int(arguments[1]), int(arguments.get(2, "6400"))
    speeds = train(image_count, batch_size, workers, os.cpu_count() or 1, device=arguments.get(3, "cpu"))
    next(speeds)
    print(json.dumps({"training": next(speeds)}))
