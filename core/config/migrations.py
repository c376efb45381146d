"""Configurations that an older program wrote, brought up to date one schema version at a time.

There has been one schema so far, so the table is empty. Whoever changes what a config.json means raises
:data:`core.config.run_config.SCHEMA_VERSION` and adds the step from the version before; nothing else has to know. A run
is read through this wherever it is read; its file is replaced, and the old one kept beside it, when the run is
trained further or brought in from elsewhere (:meth:`core.runs.store.RunStore.migrate`).
"""

from collections.abc import Callable, Mapping
from typing import Any

#: From a schema version to the next: takes the whole content of a config.json and returns the new one.
STEPS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}


def up_to_date(content: Mapping[str, Any], version: int) -> Mapping[str, Any]:
    """``content`` as schema ``version`` has it, as far as the steps there are lead; never changed in place."""
    while type(schema := content.get("schema")) is int and schema < version and schema in STEPS:
        content = {**STEPS[schema](dict(content)), "schema": schema + 1}
    return content
