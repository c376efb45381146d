"""What the fork server imports for all programs: the whole of core, and Streamlit with its server."""

import importlib
import pkgutil

import core

#: What most programs never import, and a device's compilers.
RARE = ("core.__main__", "core.jobs.ray_cluster", "core.model.cuda_conv", "core.model.cuda_norm", "core.search.suggest")

for module in pkgutil.walk_packages(core.__path__, "core."):
    if module.name not in RARE:
        importlib.import_module(module.name)
