"""What every other package may use: errors, environment variables, atomic files and strict JSON, text for a person.

Nothing here knows runs, configurations or images.
"""

from core.base.errors import ConfigError, LabError, Outcome, RunBusy, SettingError, StoreError

__all__ = ["ConfigError", "LabError", "Outcome", "RunBusy", "SettingError", "StoreError"]
