"""A search: which settings vary over which ranges, who chooses the trials, who stops them, and the budget.

Immutable, and only the question: its trials are run folders (:mod:`core.search.trials`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.base.errors import ConfigError
from core.base.text import composed, counted, duration, one_line, printable
from core.config.presets import nearest, recipe_text
from core.config.run_config import SETTINGS, RunConfig
from core.config.setting import near
from core.search.methods import PRUNERS, SAMPLERS, WILCOXON_SEEDS, missing_package
from core.search.space import Range, range_from_dict, varied
from core.study.study import MOST_NAME, SEED

SCHEMA_VERSION = 1
#: The most trials, trials at once, minutes and seeds of a trial that a search may have.
MOST_TRIALS, MOST_PARALLEL, MOST_MINUTES, MOST_SEEDS = 1_000, 64, 100_000.0, 20


@dataclass(frozen=True)
class Search:
    """A question to training. What counts is the accuracy on the held-out validation images, never on the test set.

    The budget is ``trials`` (at most), ``minutes`` of training time of all trials together, or both. A trial is trained
    with ``seeds`` seeds; ``parallel`` trials at a time. ``seed`` makes the sampler's draws repeatable.
    """

    name: str
    base: RunConfig
    ranges: tuple[Range, ...]
    sampler: str = "tpe"
    pruner: str = "median"
    trials: int | None = None
    minutes: float | None = None
    seeds: int = 1
    parallel: int = 1
    seed: int = 0
    note: str = ""
    created_at: float = 0.0

    @property
    def recipe(self) -> str:
        """The base in a few words, without the varied settings."""
        usual = nearest(self.base).config
        return recipe_text(self.base.replace({one.path: usual[one.path] for one in self.ranges}))

    @property
    def budget_text(self) -> str:
        """``40 trials``, ``1 h of training`` or both."""
        parts = [counted(self.trials, "trial")] if self.trials else []
        if self.minutes:
            parts.append(f"{duration(60 * self.minutes)} of training")
        return ", at most ".join(parts)

    @property
    def method_text(self) -> str:
        """``Sampler TPE, pruner Median``, with seeds and trials at a time where there are several."""
        pruner = "no pruner" if self.pruner == "none" else f"pruner {PRUNERS[self.pruner].title}"
        parts = [f"Sampler {SAMPLERS[self.sampler].title}", pruner]
        if self.seeds > 1:
            parts.append(f"{self.seeds} seeds per trial")
        if self.parallel > 1:
            parts.append(f"{self.parallel} trials at a time")
        return ", ".join(parts)

    @property
    def base_inside(self) -> bool:
        """Whether the base settings are among those that the search can try; they are then its first trial."""
        return all(one.holds(self.base[one.path]) for one in self.ranges if self.base.in_effect(one.path))

    def config(self, settings: Mapping[str, Any], number: int = 0) -> RunConfig:
        """Return the base with ``settings`` and the seed with this ``number``, from 0 on."""
        return self.base.replace({**settings, SEED: self.base.train.seed + number})

    def varied(self, config: RunConfig) -> dict[str, Any]:
        """Return the values of the varied settings that have an effect in ``config``, by path."""
        return varied(self.ranges, config)

    def label(self, config: RunConfig) -> str:
        """Return the values of the varied settings in a few words: ``learning rate 0.2, batch size 64``."""
        return ", ".join(SETTINGS[path].phrase(value) for path, value in self.varied(config).items())

    def problems(self) -> dict[str, str]:
        """Return a sentence for each part that is not allowed; empty for a search that can run.

        Keys are the names of the parts, ``budget``, or the path of a setting.
        """
        problems: dict[str, str] = {}
        if not self.name.strip():
            problems["name"] = "Give the search a name."
        elif len(self.name) > MOST_NAME:
            problems["name"] = f"The name has {len(self.name)} characters; at most {MOST_NAME} are allowed."
        problems |= self._problems_of_methods() | self._problems_of_numbers() | self._problems_of_ranges()
        if self.base.data.validation != "held-out":
            problems["data.validation"] = (
                "A search chooses by validation accuracy, so the base must validate on held-out images. "
                "On test images, the best of many trials would look better than it is."
            )
        elif self.ranges and not problems.keys() & {one.path for one in self.ranges}:
            varied_paths = {one.path for one in self.ranges}
            own = {path: text for path, text in self.base.problems().items() if path not in varied_paths}
            problems |= own
        return problems

    def _problems_of_methods(self) -> dict[str, str]:
        problems = {}
        for name, chosen, known in (("sampler", self.sampler, SAMPLERS), ("pruner", self.pruner, PRUNERS)):
            if chosen not in known:
                problems[name] = f"“{one_line(chosen, 40)}” is not one of {', '.join(known)}." + near(chosen, known)
        if package := missing_package(self.sampler):
            problems["sampler"] = f"{SAMPLERS['cma-es'].title} needs the package {package}: `pip install {package}`."
        if self.pruner == "wilcoxon" and self.seeds < WILCOXON_SEEDS:
            problems["seeds"] = f"The Wilcoxon pruner needs at least {WILCOXON_SEEDS} seeds per trial."
        if self.pruner not in ("none", "wilcoxon") and self.seeds > 1:
            problems["seeds"] = "With several seeds per trial, choose the Wilcoxon pruner or none."
        for one in self.ranges if self.sampler == "grid" else ():
            if not one.choices and not one.whole:
                problems[one.path] = "A grid needs a list of values, such as 0.05, 0.1, 0.2."
        return problems

    def _problems_of_numbers(self) -> dict[str, str]:
        problems = {}
        if self.trials is None and self.minutes is None:
            problems["budget"] = "Give a number of trials, or minutes of training."
        if self.trials is not None and not 1 <= self.trials <= MOST_TRIALS:
            problems["budget"] = f"A search has 1 to {MOST_TRIALS:,} trials."
        if self.minutes is not None and not 0 < self.minutes <= MOST_MINUTES:
            problems["budget"] = f"A search takes more than 0 and at most {MOST_MINUTES:,.0f} minutes of training."
        for name, number, most in (("seeds", self.seeds, MOST_SEEDS), ("parallel", self.parallel, MOST_PARALLEL)):
            if not 1 <= number <= most:
                problems[name] = f"takes a whole number from 1 to {most}."
        return problems

    def _problems_of_ranges(self) -> dict[str, str]:
        problems = {one.path: text for one in self.ranges if (text := one.problem())}
        paths = [one.path for one in self.ranges]
        if not paths:
            problems["vary"] = "Choose at least one setting to vary."
        elif len(set(paths)) < len(paths):
            problems["vary"] = "A setting is listed twice. Give it one range."
        for one in self.ranges:
            when = one.setting.when
            if one.path not in problems and when and when[0] not in paths and not self.base.in_effect(one.path):
                needed = " or ".join(map(str, when[1]))
                problems[one.path] = (
                    f"This setting has no effect here: it needs “{SETTINGS[when[0]].label}” to be {needed}."
                )
        return problems

    def checked(self) -> "Search":
        """Return this search. Raises ConfigError with every problem."""
        if problems := self.problems():
            raise ConfigError(problems)
        return self

    # --- as a file --------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Return the search as JSON-ready values, with the schema version."""
        return {
            "schema": SCHEMA_VERSION,
            "name": self.name,
            "note": self.note,
            "created_at": self.created_at,
            "sampler": self.sampler,
            "pruner": self.pruner,
            "trials": self.trials,
            "minutes": self.minutes,
            "seeds": self.seeds,
            "parallel": self.parallel,
            "seed": self.seed,
            "vary": {one.path: one.to_dict() for one in self.ranges},
            "base": self.base.to_dict(),
        }

    @classmethod
    def from_dict(cls, content: Any) -> "Search":
        """Return the search in ``content``, from :meth:`to_dict` or written by hand.

        Raises ConfigError that names everything that is not allowed.
        """
        if not isinstance(content, Mapping):
            raise ConfigError({"search": "This is not a search: it holds no names and values."})
        problems = {str(name): "is not a part of a search." + near(name, _PARTS) for name in content.keys() - _PARTS}
        if (schema := content.get("schema", SCHEMA_VERSION)) != SCHEMA_VERSION:
            problems["schema"] = f"says “{one_line(str(schema), 20)}”; this program reads schema {SCHEMA_VERSION}."
        for name, kinds, expected in _KINDS:
            value = content.get(name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, kinds)):
                problems[name] = f"takes {expected}, not “{one_line(str(value), 40)}”."
        if problems:
            raise ConfigError(problems)
        given = {name: content[name] for name, *_ in _KINDS if content.get(name) is not None and name != "vary"}
        for name in ("name", "note"):
            if name in given:
                given[name] = composed(one_line(given[name]) if name == "name" else printable(given[name]))
        base = content.get("base")
        return cls(
            **{"name": "", **given},
            base=RunConfig() if base is None else RunConfig.from_dict(base),
            ranges=tuple(range_from_dict(str(path), values) for path, values in (content.get("vary") or {}).items()),
        ).checked()


_KINDS: tuple[tuple[str, Any, str], ...] = (
    ("name", str, "text"),
    ("note", str, "text"),
    ("created_at", (int, float), "a number"),
    ("sampler", str, "a name"),
    ("pruner", str, "a name"),
    ("trials", int, "a whole number"),
    ("minutes", (int, float), "a number"),
    ("seeds", int, "a whole number"),
    ("parallel", int, "a whole number"),
    ("seed", int, "a whole number"),
    ("vary", Mapping, "settings with their ranges"),
)
_PARTS = {"schema", "base", *(name for name, *_ in _KINDS)}
