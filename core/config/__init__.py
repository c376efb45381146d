"""Everything that decides what a run does: the settings and what must hold between them, presets, the form's draft.

A :class:`RunConfig` is a complete experiment; :data:`SETTINGS` defines each of its settings. Where files are is in
:mod:`core.base.paths`; what a run is called is in :mod:`core.runs`.
"""

from core.config.presets import PRESETS
from core.config.run_config import SETTINGS, RunConfig
from core.config.sections import CLASSES, AugmentConfig, DataConfig, ModelConfig, TrainConfig

__all__ = ["CLASSES", "PRESETS", "SETTINGS", "AugmentConfig", "DataConfig", "ModelConfig", "RunConfig", "TrainConfig"]
