"""Text for other formats: escaped for LaTeX, Markdown and YAML, and put into the templates of this package.

Names and notes come from strangers. Whatever they hold is shown as it is and does nothing.
"""

import html
import itertools
import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import jinja2

from core.base.strict_json import to_json
from core.base.text import one_line

#: What LaTeX reads as a command, and signs that its usual fonts have only under another name.
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    "'": r"\textquotesingle{}",
    "\xa0": "~",
    "–": "--",
    "—": "---",
    "−": "$-$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "→": r"$\rightarrow$",
    "“": "``",
    "”": "''",
    "‘": "`",
    "’": "'",
    "…": r"\ldots{}",
    "²": r"\textsuperscript{2}",
}
#: Signs that LaTeX knows in UTF-8: ASCII and the letters of Latin script.
_KNOWN = re.compile(r"[\x20-\x7eÀ-ÖØ-öø-ſ]")
#: Every sign of ASCII that can mean something in Markdown; a backslash in front of it always means the sign itself.
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~$&!])|^(\s*)([-+=]|\d+[.)](?=\s))")


def latex(text: str) -> str:
    """Return ``text`` in one line for LaTeX. Signs that its usual fonts lack, such as emoji, become question marks."""
    signs = unicodedata.normalize("NFC", one_line(text, 5_000))
    parts = []
    for before, sign in itertools.pairwise(f" {signs}"):
        # Two hyphens or commas in a row would become another sign.
        parts.append("{}" if sign in "-," and before == sign else "")
        parts.append(_LATEX.get(sign) or (sign if _KNOWN.match(sign) else "?"))
    return "".join(parts)


def markdown(text: str) -> str:
    """Return ``text`` in one line for Markdown."""

    def escaped(match: re.Match[str]) -> str:
        sign = match[1] or match[3]
        if sign[0].isdigit():
            return f"{match[2]}{sign[:-1]}\\{sign[-1]}"
        return f"{match[2] or ''}\\{sign}"

    return _MARKDOWN.sub(escaped, one_line(text, 5_000))


def yaml(value: Any) -> str:
    """Return a text, number or list for YAML: JSON, of which YAML is a superset."""
    return to_json(value)


def latex_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = (), caption: str = "", label: str = ""
) -> str:
    """Return a ``tabular`` with the rules of booktabs, or with a ``caption`` a ``longtable``, which may span pages.

    The columns in ``right`` are aligned to the right.
    """
    kind, align = "longtable" if caption else "tabular", "".join("r" if name in right else "l" for name in columns)
    head, *lines = [" & ".join(map(latex, line)) + r" \\" for line in (columns, *rows)]
    title = [rf"\caption{{{latex(caption)}}}\label{{{label}}} \\"] if caption else []
    top = [*title, r"\toprule", head, r"\midrule", *([r"\endhead"] if caption else [])]
    return "\n".join([rf"\begin{{{kind}}}{{@{{}}{align}@{{}}}}", *top, *lines, r"\bottomrule", rf"\end{{{kind}}}"])


def rendered(template: str, **values: Any) -> str:
    """Return a template of this package with its ``values``.

    In a ``.html`` template every value is escaped that the template does not call ``safe``; in the others each is put
    through a filter: ``latex``, ``md``, ``yaml``. A name that has no value is an error.
    """
    return _environment().get_template(template).render(values)


def _sentence(text: str) -> str:
    """Return ``text`` escaped for HTML, what is between backticks as code. The template calls it safe."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("core.takeaway"),
        autoescape=jinja2.select_autoescape(["html"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"latex": latex, "md": markdown, "yaml": yaml, "sentence": _sentence}
    return environment
