"""Everything that decides what a run does: the settings and what must hold between them, presets, the form's draft.

A :class:`RunConfig` is a complete experiment; :data:`SETTINGS` defines each of its settings. Where files are is in
:mod:`core.base.paths`; what a run is called is in :mod:`core.runs`.
"""

from core.config.draft import Draft
from core.config.presets import PRESETS, Preset, command_line, preset
from core.config.run_config import SETTINGS, RunConfig
from core.config.sections import CLASSES, AugmentConfig, DataConfig, ModelConfig, SetSizes, TrainConfig
from core.config.setting import Setting
from core.config.tricks import TRICKS, Trick

__all__ = [
    "CLASSES",
    "PRESETS",
    "SETTINGS",
    "TRICKS",
    "AugmentConfig",
    "DataConfig",
    "Draft",
    "ModelConfig",
    "Preset",
    "RunConfig",
    "SetSizes",
    "Setting",
    "TrainConfig",
    "Trick",
    "command_line",
    "preset",
]
