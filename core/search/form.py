"""A search as a person fills it in: text in, a :class:`Search` or the problems to show next to the fields out."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from core.base.errors import ConfigError
from core.config.run_config import RunConfig
from core.cost.estimate import estimates
from core.runs.store import RunStore
from core.search.search import Search
from core.search.space import Range, combinations, range_of

HELD_OUT = {"data.validation": "held-out"}


@dataclass(frozen=True)
class Filled:
    """The ``search`` that the fields describe, or ``None`` and the ``problems`` by field."""

    search: Search | None
    problems: dict[str, str]


def base_of(config: RunConfig) -> RunConfig:
    """Return ``config`` as a base: a search chooses on held-out images, never on the test set."""
    return config if config.data.validation == "held-out" else config.replace(HELD_OUT)


def from_fields(name: str, base: RunConfig, vary: Mapping[str, str], **parts: Any) -> Filled:
    """Return the search that the fields describe, or all of their problems.

    ``vary`` holds the values of each setting as text, by path; ``parts`` are the other fields of :class:`Search`.
    """
    unreadable: dict[str, str] = {}
    ranges: list[Range] = []
    for path, text in vary.items():
        try:
            ranges.append(range_of(path, text))
        except ConfigError as error:
            unreadable |= error.problems
    search = Search(name.strip(), base, tuple(ranges), **parts)
    problems = search.problems() | unreadable
    if unreadable:  # a setting with unreadable values is not a missing one
        problems.pop("vary", None)
    return Filled(None if problems else search, problems)


def copy_of(search: Search) -> Search:
    """Return a copy under another name, with a sampler that draws other trials."""
    return replace(search, name=f"{search.name[:70]} (copy)", seed=search.seed + 1)


def seconds(search: Search, store: RunStore) -> float | None:
    """Return how long the search takes here if each trial takes as long as the base: to its end, or its minutes.

    ``None`` before any measurement on this computer, for a budget of trials.
    """
    limit = 60 * search.minutes if search.minutes else None
    counts = [search.trials, combinations(search.ranges) if search.sampler == "grid" else None]
    trials = min((count for count in counts if count is not None), default=None)
    one = next(iter(estimates([search.base], store))).seconds
    if trials is None or one is None:
        return limit
    whole = one * trials * search.seeds
    return whole if limit is None else min(whole, limit)
