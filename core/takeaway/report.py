"""Write a report to hand in: one web page that needs no network, and a folder with the same for LaTeX."""

import io
import tempfile
import textwrap
import zipfile
from collections.abc import Mapping
from pathlib import Path

import plotly.graph_objects as go

from core import plotly_js
from core.base.errors import LabError, StoreError
from core.base.files import make_folder, os_errors_as_store_errors, write_atomically
from core.figures import panels
from core.takeaway.content import Content, Table
from core.takeaway.methods import CHECKLIST
from core.takeaway.render import latex_table, rendered

#: Rows of a LaTeX table that fit on a page; a longer one spans pages.
PAGE_ROWS = 40
#: Letters of a line beside a vertical axis.
_AXIS_LETTERS = 42
#: The report that the studies of figures repeat.
REPEATED = "Ahmad Khazaie, “Image Classification with Deep Neural Networks”, a student report on CIFAR-10"


def html(content: Content) -> str:
    """Return the report as one HTML file of about 1.5 MB, with Plotly in it.

    Its charts zoom, it prints on A4, and its policy forbids the browser to load anything.
    """
    # Plotly's JSON has no “<”, which could end the script element; so the template does not escape it.
    figures = {chart.name: _wrapped(chart.figure).to_json(engine="json") for chart in content.charts}
    return rendered(
        "report.html",
        content=content,
        figures=figures,
        plotly=plotly_js.bundle().decode(),
        source=CHECKLIST,
        repeated=REPEATED,
    )


def files(content: Content) -> tuple[dict[str, bytes], str]:
    """Return every file of the folder by its path, and a sentence if charts are missing there, else nothing.

    Drawing the charts needs Chromium; all else is complete without it.
    """
    drawn, missing = _figures(content)
    names = [f"{chart.name}.pdf, {chart.name}.svg" for chart in content.charts]
    texts = {
        "README.md": rendered("folder.md", content=content, missing=missing, names=names),
        "report.html": html(content),
        "main.tex": rendered("main.tex", content=content, repeated=REPEATED),
        "methods.tex": rendered("methods.tex", content=content),
        "findings.tex": rendered("findings.tex", content=content),
        "checklist.tex": rendered("checklist.tex", content=content, source=CHECKLIST),
        **{f"tables/{table.name}.tex": table_tex(table) for table in content.tables},
        **{f"data/{name}": text for name, text in content.data.items()},
    }
    return {**{name: text.encode() for name, text in texts.items()}, **drawn}, missing


def table_tex(table: Table) -> str:
    """Return a table for LaTeX, as a float or, if it is longer than a page, as a ``longtable``."""
    long = len(table.rows) > PAGE_ROWS
    about = {"caption": table.caption, "label": f"tab:{table.name}"} if long else {}
    body = latex_table(table.columns, table.rows, table.right, **about)
    return rendered("table.tex", table=table, body=body, long=long)


def write(content: Content, folder: Path) -> tuple[list[Path], str]:
    """Write the folder, which must be new or empty; return the files, and a sentence if charts are missing.

    Raises StoreError if the folder has files, which could be someone's work, or cannot be written.
    """
    with os_errors_as_store_errors(folder):
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise StoreError(f"{folder} exists already and is not empty. Choose another name, or empty it.")
    contents, missing = files(content)
    for name, data in contents.items():
        path = folder / name
        with os_errors_as_store_errors(path):
            make_folder(path.parent)
        write_atomically(path, data)
    return [folder / name for name in contents], missing


def zipped(content: Content, name: str = "report") -> bytes:
    """Return the folder as a .zip file; everything in it lies in a folder called ``name``."""
    contents, _ = files(content)
    return _packed({f"{name}/{path}": data for path, data in contents.items()})


def _packed(contents: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in contents.items():
            archive.writestr(path, data)
    return packed.getvalue()


def _wrapped(figure: go.Figure) -> go.Figure:
    """Return the figure with the title of its vertical axis in lines that fit a small chart."""
    title = figure.layout.yaxis.title.text or ""
    lines = [line for part in title.split("<br>") for line in textwrap.wrap(part, _AXIS_LETTERS)]
    figure = go.Figure(figure).update_yaxes(title_text="<br>".join(lines) or None)
    return figure.update_yaxes(title_standoff=12) if len(lines) > 1 else figure


def _figures(content: Content) -> tuple[dict[str, bytes], str]:
    """Return the charts as PDF and SVG files, and a sentence if they could not be drawn."""
    with tempfile.TemporaryDirectory() as folder:
        named = [(Path(folder) / chart.name, _wrapped(chart.figure)) for chart in content.charts]
        try:
            paths = panels.draw(named, ("pdf", "svg"))
        except LabError as error:
            return {}, str(error)
        return {f"figures/{path.name}": path.read_bytes() for path in paths}, ""
