"""Where things are on this computer. Three environment variables, each with a default that works.

A setting says where files lie; what an experiment does is a knob, in :mod:`core.config`.
"""

import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent


def runs_folder() -> Path:
    """Folder with one folder a run: ``RESNET_LAB_RUNS``, or ``runs`` in the project."""
    return Path(os.environ.get("RESNET_LAB_RUNS") or PROJECT / "runs").expanduser()


def data_folder() -> Path:
    """Folder of the verified CIFAR-10 cache: ``RESNET_LAB_DATA``, or ``~/.cache/resnet-lab``.

    A class can point it at a shared folder, so that the images are downloaded once.
    """
    return Path(os.environ.get("RESNET_LAB_DATA") or "~/.cache/resnet-lab").expanduser()


def data_source() -> Path | None:
    """Folder or archive of CIFAR-10 the person already has: ``RESNET_LAB_CIFAR10``, or none."""
    given = os.environ.get("RESNET_LAB_CIFAR10")
    return Path(given).expanduser() if given else None
