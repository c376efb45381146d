"""TODO: core.stats.verdict."""

from typing import Literal

Verdict = Literal["real", "on these images", "for these seeds", "not shown"]


#: The verdict in a few words, for a heading.
HEADLINES: dict[Verdict, str] = {
    "real": "Yes: more than chance explains",
    "on these images": "On these images, yes; on others, not shown",
    "for these seeds": "More than the images explain; the luck of the seed is not ruled out",
    "not shown": "Not shown: chance could explain it",
}
