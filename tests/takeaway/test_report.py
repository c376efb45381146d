"""A report as files: one web page that loads nothing, LaTeX with balanced parts, and what Chromium draws."""

import io
import json
import re
import zipfile
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from core.base.errors import StoreError
from core.takeaway.content import Content, Table, content_of
from core.takeaway.report import files, html, table_tex, write, zipped
from core.takeaway.subject import of_runs, of_study
from tests.browser.conftest import chromium_path
from tests.made import made_run
from tests.takeaway.made import BASE, HOSTILE, made_study, made_tested_run

TEXTS = {"README.md", "report.html", "main.tex", "methods.tex", "findings.tex", "checklist.tex"}
TEXTS |= {f"tables/{name}.tex" for name in ("settings", "results", "runs")}


class Page(HTMLParser):
    """The tables, headings, charts and elements of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.cells: dict[str, list[list[str]]] = {}
        self.charts: dict[str, dict] = {}
        self.tags: list[tuple[str, dict]] = []
        self.heading, self._place, self._table = "", "", ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.tags.append((tag, found))
        self._place = found.get("data-chart", tag) if tag == "script" else tag
        if tag == "table":
            self._table = found["id"].removeprefix("table-")
            self.cells[self._table] = []
        elif tag == "tr":
            self.cells[self._table].append([])
        elif tag in ("td", "th"):
            self.cells[self._table][-1].append("")

    def handle_endtag(self, tag):
        self._place = ""

    def handle_data(self, data):
        if self._place in ("td", "th"):
            self.cells[self._table][-1][-1] += data.strip()
        elif self._place == "h1":
            self.heading += data.strip()
        elif self._place.startswith("chart-"):
            self.charts[self._place] = json.loads(data)


@pytest.fixture
def without_chromium(monkeypatch):
    """A computer on which no chart can be drawn."""
    monkeypatch.setenv("BROWSER_PATH", "/nonexistent/chromium")


def hostile(store) -> Content:
    """A report about runs with names that mean something to HTML and LaTeX."""
    ids = [made_run(store, 4, "finished", BASE.replace({"train.lr": rate}), name=HOSTILE) for rate in (0.1, 0.2)]
    return content_of(of_runs(store, ids, title=HOSTILE, author="</title><b>"))


def test_the_web_page_has_the_tables_and_curves_of_the_runs(store):
    content = content_of(of_study(store, made_study(store, 2)))
    page = Page(html(content))
    for table in content.tables:
        assert page.cells[table.name] == [list(table.columns), *map(list, table.rows)]
    assert page.cells["checklist"][1:] == [
        [check.question, check.answer, check.evidence] for check in content.checklist
    ]
    assert list(page.charts) == [f"chart-{chart.name}" for chart in content.charts]
    drawn = next(trace for trace in page.charts["chart-lr-accuracy"]["data"] if "lines" in trace.get("mode", ""))
    means = [float(row[2].split(" ± ")[0]) for row in content.results.rows]
    assert drawn["y"] == pytest.approx(means, abs=0.005)


def test_the_web_page_needs_no_other_file(store):
    page = Page(html(content_of(of_study(store, made_study(store, 1)))))
    assert [found for _, found in page.tags if {"src", "href", "srcset"} & found.keys()] == []
    (policy,) = [found["content"] for tag, found in page.tags if found.get("http-equiv") == "Content-Security-Policy"]
    assert "default-src 'none'" in policy and "http" not in policy


def test_commands_in_a_sentence_are_code_and_long_titles_of_axes_are_wrapped(store):
    content = replace(content_of(of_study(store, made_study(store, 2))), limits=("Use `resnet-lab <run>`.",))
    text = html(content)
    assert "Use <code>resnet-lab &lt;run&gt;</code>." in text
    titles = [chart["layout"]["yaxis"]["title"]["text"] for chart in Page(text).charts.values()]
    assert max(len(line) for title in titles for line in title.split("<br>")) <= 42


def test_names_of_markup_are_only_text(store):
    content = hostile(store)
    text = html(content)
    page = Page(text)
    assert page.heading == content.title
    assert len([tag for tag, _ in page.tags if tag == "script"]) == len(content.charts) + 2
    assert not [tag for tag, found in page.tags if tag == "b" and found]
    assert "<script>alert" not in text and "49" not in page.heading
    assert page.cells["runs"][1][1] == content.runs.rows[0][1]
    (first, *_) = page.charts["chart-curves-accuracy"]["data"]
    assert "<" not in json.dumps([trace.get("name") for trace in page.charts["chart-curves-accuracy"]["data"]]), first


@pytest.mark.usefixtures("without_chromium")
def test_the_folder_is_complete_but_for_the_charts_without_chromium(store):
    content = content_of(of_study(store, made_study(store, 2)))
    found, missing = files(content)
    assert found.keys() == TEXTS | {f"data/{name}" for name in content.data}
    assert "Chromium" in missing
    readme = found["README.md"].decode()
    assert all(f"{chart.name}.pdf" in readme for chart in content.charts) and "Missing" in readme


@pytest.mark.usefixtures("without_chromium")
def test_latex_files_are_balanced_and_name_only_what_is_there(store):
    for content in (content_of(of_study(store, made_study(store, 2))), hostile(store)):
        found, _ = files(content)
        for name, data in found.items():
            if not name.endswith(".tex"):
                continue
            text = data.decode()
            plain = re.sub(r"\\[\\{}$&#%_]|^%.*$", "", text, flags=re.MULTILINE)
            assert plain.count("{") == plain.count("}"), name
            assert plain.count("$") % 2 == 0, name
            begun, ended = (sorted(re.findall(rf"\\{word}\{{(\w+)\}}", plain)) for word in ("begin", "end"))
            assert begun == ended, name
            for included in re.findall(r"\\input\{([\w/]+)\}", text):
                assert f"{included}.tex" in found
        used = set(re.findall(r"\\usepackage(?:\[.*?\])?\{(\w+)\}", found["main.tex"].decode()))
        assert {"booktabs", "longtable", "adjustbox", "graphicx"} <= used
        assert r"\input{/etc/passwd}" not in found["main.tex"].decode()


@pytest.mark.usefixtures("without_chromium")
def test_a_latex_table_has_the_cells_of_the_table(store):
    content = content_of(of_study(store, made_study(store, 2)))
    rows = re.findall(r"^(.*) \\\\$", table_tex(content.results), flags=re.MULTILINE)
    assert len(rows) == 1 + len(content.results.rows)
    accuracies = [row.split(" & ")[2].replace(r" $\pm$ ", " ± ") for row in rows[1:]]
    assert accuracies == [row[2] for row in content.results.rows]


def test_a_table_longer_than_a_page_spans_pages():
    short, long = (Table("runs", "50 % of all", ("Run", "Seed"), (("a", "1"),) * rows, ("Seed",)) for rows in (40, 41))
    assert r"\begin{table}" in table_tex(short) and r"\begin{longtable}" not in table_tex(short)
    assert r"\begin{table}" not in table_tex(long) and r"\begin{longtable}{@{}lr@{}}" in table_tex(long)
    assert r"\caption{50 \% of all}" in table_tex(short) and r"\caption{50 \% of all}" in table_tex(long)


@pytest.mark.usefixtures("without_chromium")
def test_nobodys_files_are_overwritten(store, tmp_path):
    content = content_of(of_runs(store, [made_tested_run(store, 0.8)]))
    paths, _ = write(content, tmp_path / "new" / "report")
    assert all(path.is_file() for path in paths) and len(paths) == len(TEXTS) + len(content.data)
    (tmp_path / "new" / "report" / "methods.tex").write_text("mine")
    for occupied in (tmp_path / "new" / "report", tmp_path / "new" / "report" / "methods.tex"):
        with pytest.raises(StoreError, match="exists already"):
            write(content, occupied)
    assert (tmp_path / "new" / "report" / "methods.tex").read_text() == "mine"


@pytest.mark.skipif(chromium_path() is None, reason="drawing images needs Chromium")
def test_the_zip_has_every_chart_as_pdf_and_svg(store):
    content = content_of(of_runs(store, [made_tested_run(store, 0.8)]))
    with zipfile.ZipFile(io.BytesIO(zipped(content))) as archive:
        names = archive.namelist()
        drawn = {name for name in names if name.startswith("report/figures/")}
        assert drawn == {f"report/figures/{chart.name}.{kind}" for chart in content.charts for kind in ("pdf", "svg")}
        for name in drawn:
            start = archive.read(name)[:200]
            assert start.startswith(b"%PDF") if name.endswith("pdf") else b"<svg" in start
        assert "Missing" not in archive.read("report/README.md").decode()
