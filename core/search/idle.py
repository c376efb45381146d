"""What a search does in vain: settings and methods that change nothing. And the largest run that it may make."""

from core.base.text import counted
from core.config.run_config import RunConfig
from core.cost.effect import idle_settings
from core.search import methods
from core.search.search import Search
from core.search.space import combinations

#: Settings that decide how much memory a run needs.
_SIZES = ("model.depth", "model.width", "train.batch_size")


def largest(search: Search) -> RunConfig:
    """Return a config that needs at least the memory of any trial."""
    highest = {one.path: max((*one.choices, one.high)) for one in search.ranges if one.path in _SIZES}
    return search.base.replace({path: int(value) for path, value in highest.items()})


def idle_notes(search: Search) -> list[str]:
    """Return a sentence for each setting and method that changes nothing in a valid search."""
    notes = [*_settings(search), _sampler(search), _pruner(search)]
    return [note for note in notes if note]


def _settings(search: Search) -> list[str]:
    """Return what changes nothing in the base, nor at the ends of what is varied."""
    ends = [
        {one.path: value}
        for one in search.ranges
        for value in one.choices or (one.rounded(one.low), one.rounded(one.high))
    ]
    configs = [search.base, *(search.base.replace(end) for end in ends)]
    found = [idle_settings(config) for config in configs if not config.problems()]
    return [text for path, text in found[0].items() if all(path in other for other in found)] if found else []


def _sampler(search: Search) -> str:
    trials, title = search.trials, methods.SAMPLERS[search.sampler].title
    if search.sampler == "grid" and (count := combinations(search.ranges)) and trials and trials > count:
        return f"The values have only {counted(count, 'combination')}, so a grid ends after {counted(count, 'trial')}."
    if search.sampler in ("tpe", "gp", "cma-es") and trials and trials <= methods.STARTUP_TRIALS:
        return (
            f"{title} draws its first {methods.STARTUP_TRIALS} trials at random, so with "
            f"{counted(trials, 'trial')} it does the same as the random sampler."
        )
    return ""


def _pruner(search: Search) -> str:
    """Return why the pruner never stops a trial before its last epoch."""
    title, trials = methods.PRUNERS[search.pruner].title, search.trials
    varied = next((one for one in search.ranges if one.path == "train.epochs"), None)
    epochs = int(max((*varied.choices, varied.high))) if varied else search.base.train.epochs
    needed, first = {
        "median": (methods.MEDIAN_TRIALS, 1 + round(methods.WARM_UP * epochs)),
        "asha": (1, methods.first_rung(epochs)),
        "extrapolation": (1, methods.first_forecast(epochs)),
    }.get(search.pruner, (0, 0))
    if first and first >= epochs:
        return f"The pruner {title} stops no trial: trials of {counted(epochs, 'epoch')} are too short for it."
    if trials and needed >= trials:
        return f"The pruner {title} stops no trial: it needs more than {counted(needed, 'trial')}."
    return ""
