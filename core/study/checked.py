"""The report, checked: each of its claims with the evidence for and against it.

The report's own numbers come from :mod:`core.published.claims`. To them this module adds what the runs and studies on
this computer say, read anew each time: the effect of a study that varies the same setting on the same classes, the best
accuracy on these classes, the onset of overfitting of the report's recipe.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from core.compare.answers import ReadPredictions
from core.config.presets import PRESETS
from core.config.run_config import RunConfig
from core.published.arithmetic import last_milestone
from core.published.claims import Claim, claims
from core.published.points import TASKS, points_of
from core.runs.store import RunStore
from core.runs.summary import RunSummary, best_tested, labels
from core.stats.overfitting import onset, onset_text
from core.study.findings import StudyFinding, findings_of
from core.study.outcomes import outcome_table
from core.study.progress import statuses
from core.study.store import StudyStore
from core.study.study import Study

#: What became of a claim: the report's own numbers contradict it or do not carry it, our runs reproduced it, they say
#: otherwise, or it is open: not tested here, or not with enough seeds.
Verdict = Literal["contradicted", "reproduced", "not reproduced", "open"]
VERDICTS: dict[Verdict, str] = {
    "contradicted": "Not supported by the report’s own numbers",
    "reproduced": "Reproduced by our runs",
    "not reproduced": "Not reproduced by our runs",
    "open": "Not decided yet",
}
#: What introduces evidence from the report's own numbers.
PRINTED = "The report’s numbers"
#: What a piece of our evidence says of a claim; a ``result`` is shown with it and decides nothing.
Says = Literal["for", "against", "undecided", "result"]
SAYS_TEXTS: dict[Says, str] = {
    "for": "Our runs support it",
    "against": "Our runs contradict it",
    "undecided": "Our runs do not decide it",
    "result": "Our result",
}


@dataclass(frozen=True)
class Evidence:
    """What a ``study`` or a ``run`` of ours, by its id, says about a claim; ``name`` is what it is called."""

    text: str
    says: Says
    name: str
    study: str | None = None
    run: str | None = None


@dataclass(frozen=True)
class Checked:
    """A claim, its verdict, and our evidence; the report's own evidence is the claim's.

    ``next_step`` is what would test it: the number of the report's figure whose study is still to be created, or the
    settings of a run that nobody has trained; ``None`` if there is one, or nothing of ours can test it.
    """

    claim: Claim
    verdict: Verdict
    ours: tuple[Evidence, ...]
    next_step: int | RunConfig | None = None


def checked(store: RunStore) -> list[Checked]:
    """Return the report's claims in its order, with what the runs and studies in ``store`` say about them."""
    runs = store.summaries()
    names = labels(runs)
    studies, _ = StudyStore(store).all()
    tables: dict[str, pd.DataFrame] = {}

    def table_of(study_id: str) -> pd.DataFrame:
        if study_id not in tables:
            study = studies[study_id]
            tables[study_id] = outcome_table(study, statuses(study_id, study, runs))
        return tables[study_id]

    found = []
    for claim in claims():
        same = [run for run in runs if set(run.config.data.classes) == set(TASKS[claim.task])]
        match claim.about:
            case "effect":
                ours = _effects(claim, studies, table_of, store.many_predictions)
            case "accuracy":
                ours = _best_runs(same, names)
            case "overfitting":
                ours = _overfitting(store, same, names)
            case _:
                ours = []
        found.append(Checked(claim, _verdict(claim, ours), tuple(ours), _next_step(claim, ours, studies, same)))
    return found


def _next_step(
    claim: Claim, ours: Sequence[Evidence], studies: Mapping[str, Study], same: Sequence[RunSummary]
) -> int | RunConfig | None:
    if claim.about == "effect":
        figure = points_of(TASKS[claim.task], claim.path)[0].figure
        return None if ours or any(study.figure == figure for study in studies.values()) else figure
    if not claim.about:
        return None
    recipe = PRESETS["report"].config.replace({"data.classes": TASKS[claim.task]})
    return None if any(_whole_recipe(run.config) for run in same) else recipe


def by_verdict(found: Sequence[Checked]) -> dict[Verdict, list[Checked]]:
    """Return the claims of each verdict that occurs, in the order of :data:`VERDICTS`."""
    groups = {verdict: [each for each in found if each.verdict == verdict] for verdict in VERDICTS}
    return {verdict: group for verdict, group in groups.items() if group}


def counts_text(found: Sequence[Checked]) -> str:
    """Return how many of the claims got each verdict."""
    counts = (f"{VERDICTS[verdict].lower()}: {len(group)}" for verdict, group in by_verdict(found).items())
    return f"{len(found)} claims. {', '.join(counts).capitalize()}."


def as_markdown(found: Sequence[Checked]) -> str:
    """Return the claims with all evidence as Markdown, a section per verdict; runs and studies by name and id."""
    lines = [counts_text(found), ""]
    for verdict, group in by_verdict(found).items():
        lines += [f"## {VERDICTS[verdict]}", ""]
        for each in group:
            lines += [f"**{each.claim.text}** ({each.claim.where})", ""]
            lines += [f"- {PRINTED}: {sentence}" for sentence in each.claim.evidence]
            lines += [
                f"- {SAYS_TEXTS[ours.says]}: {ours.text} ({ours.name}, `{ours.study or ours.run}`)"
                for ours in each.ours
            ]
            if not each.ours and each.claim.about:
                lines.append("- Our runs: none tests this yet.")
            lines.append("")
    return "\n".join(lines)


def _verdict(claim: Claim, ours: Sequence[Evidence]) -> Verdict:
    if claim.own == "against":
        return "contradicted"
    said = {evidence.says for evidence in ours}
    if "for" in said and "against" not in said:
        return "reproduced"
    return "not reproduced" if said == {"against"} else "open"


# --- our evidence ---------------------------------------------------------------------------------


def _effects(
    claim: Claim, studies: Mapping[str, Study], table_of: Callable[[str], pd.DataFrame], read: ReadPredictions
) -> list[Evidence]:
    """Return what the studies of the claim's setting on the claim's classes found for the accuracy."""
    points = points_of(TASKS[claim.task], claim.path)
    evidence = []
    for study_id, study in studies.items():
        paths = [axis.path for axis in study.axes]
        if claim.path not in paths or set(study.base.data.classes) != set(TASKS[claim.task]):
            continue
        others = [path for path in paths if path != claim.path]
        published = points if study.figure is not None else ()
        for finding in findings_of(table_of(study_id), claim.path, others, "accuracy", published, study.scale, read):
            if finding.judgement is not None:
                compared = f" {finding.agreement.sentence}" if finding.agreement and finding.agreement.theirs else ""
                text = f"{finding.headline} {finding.summary}{compared}"
                name = f"{study.name}, {finding.label}" if finding.label else study.name
                evidence.append(Evidence(text, _effect_says(claim, finding), name, study=study_id))
    return evidence


def _effect_says(claim: Claim, finding: StudyFinding) -> Says:
    judgement = finding.judgement
    if judgement is None or judgement.verdict != "real" or judgement.interval is None:
        return "undecided"
    if judgement.interval.holds(0.0):  # real, but not between the two ends
        return "undecided"
    return "for" if judgement.difference * claim.direction > 0 else "against"


def _best_runs(runs: Sequence[RunSummary], names: Mapping[str, str]) -> list[Evidence]:
    """Return our best run by each way of choosing the epoch. An accuracy alone decides nothing."""
    evidence = []
    for selected_on, how in (("test", "epoch chosen on test images"), ("held-out", "epoch chosen on held-out images")):
        best, count = best_tested(run for run in runs if run.selected_on == selected_on)
        if best is not None and best.headline is not None:
            of = f", the best of {count:,} runs" if count > 1 else ""
            text = f"{best.headline.text()}, {how}{of}."
            evidence.append(Evidence(text, "result", names[best.id], run=best.id))
    return evidence


def _whole_recipe(config: RunConfig) -> bool:
    """Return whether a run lowers the learning rate as often and as late as the report."""
    return config.train.schedule == "report" and config.train.milestones[-1] == last_milestone()


def _overfitting(store: RunStore, runs: Sequence[RunSummary], names: Mapping[str, str]) -> list[Evidence]:
    """Return whether runs of the report's recipe with all its milestones overfit, the newest first."""
    evidence = []
    for run in runs:
        if not _whole_recipe(run.config) or run.status.epoch <= last_milestone():
            continue
        metrics = store.metrics(run.id)
        evidence.append(
            Evidence(onset_text(metrics), "for" if onset(metrics) else "against", names[run.id], run=run.id)
        )
    return evidence
