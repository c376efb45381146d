"""Check that the packages of ``core`` import each other only as the table "The rooms" in DESIGN.md allows."""

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter

from core.base.paths import PROJECT

#: Each room (a package or module of core) and the rooms it may import from.
ROOMS = {
    "base": "",
    "records": "",
    "stats": "",
    "config": "base",
    "plotly_js": "",
    "assets": "",
    "server": "base plotly_js",
    "guard": "base server",
    "data": "base config",
    "model": "base config",
    "runs": "base config records stats",
    "published": "config",
    "compare": "base config stats runs",
    "training": "base config data model records",
    "cost": "base config records model runs training",  # only the modules without torch: layers and schedule
    "views": "base records config runs compare published stats training",  # only training.schedule
    "jobs": "base config records data model runs cost training",
    "images": "base config data runs training",
    "study": "base config runs cost published stats compare",
    "search": "base config runs cost stats compare study",
    "inspect": "base config data model runs stats training images",
    "figures": "base records config runs study search compare views published stats training inspect",
    "takeaway": "base plotly_js config records data runs stats compare training cost views images study inspect "
    "figures",
    "cli": "base config records server data model runs published compare training cost views jobs images study search "
    "inspect figures takeaway stats",
    "__main__": "cli",
    "core": "config runs",  # core/__init__.py
}
#: Rooms whose modules never import torch, so that pages open quickly.
WITHOUT_TORCH = (
    "base",
    "config",
    "stats",
    "published",
    "runs",
    "compare",
    "study",
    "search",
    "cost",
    "views",
    "figures",
)
_INSPECT = ("calibration", "classes", "contested", "duplicates", "map", "mistakes", "pairs", "slices", "subject")
#: Modules of other rooms that import no torch either, because a page imports them before it needs torch.
ALSO_WITHOUT_TORCH = (
    *(f"core.inspect.{name}" for name in _INSPECT),
    *(f"core.takeaway.{name}" for name in ("card", "content", "methods", "render", "report", "subject")),
)
#: Test folders that belong to no package of core: the pages, the real browser, injected faults, recorded data.
OTHER_TESTS = {"pages", "browser", "faults"}

FILES = {".".join(path.relative_to(PROJECT).with_suffix("").parts): path for path in (PROJECT / "core").rglob("*.py")}
MODULES = {name.removesuffix(".__init__"): ast.parse(path.read_text()) for name, path in FILES.items()}


def imports(module: str) -> set[str]:
    """Return every module that ``module`` imports anywhere: at its top, in a function or for type checking."""
    names = set()
    for node in ast.walk(MODULES[module]):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            assert node.module
            paths = (f"{node.module}.{alias.name}" for alias in node.names)
            names |= {path if path in MODULES else node.module for path in paths}
    return names


def room(module: str) -> str:
    return f"{module}.core".split(".")[1]


def test_each_package_has_a_place_and_its_tests_mirror_it():
    assert {room(module) for module in MODULES} == ROOMS.keys()
    for path in PROJECT.glob("tests/*/"):
        if path.name not in OTHER_TESTS and any(path.glob("*.py")):
            stems = {module.split(".")[-1] for module in MODULES if room(module) == path.name}
            assert stems, f"tests/{path.name} mirrors no package"
            strays = [test.name for test in path.glob("test_*.py") if not test.stem[5:].startswith(tuple(stems))]
            assert not strays, f"tests/{path.name}: name each file after a module of core/{path.name}"


def test_packages_import_only_the_packages_listed():
    violations = {
        f"{module} → core.{room(target)}"
        for module in MODULES
        for target in imports(module)
        if target.split(".")[0] == "core" and room(target) not in {room(module), *ROOMS[room(module)].split()}
    }
    assert violations == set()
    assert imports("core.views.run") & {"core.training", "core.training.schedule"} <= {"core.training.schedule"}
    assert imports("core.figures.preview") & {"core.training", "core.training.schedule"} <= {"core.training.schedule"}


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Return the nodes of a circle in ``graph``, or nothing."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        nodes: list[str] = error.args[1]
        return nodes
    return []


def test_no_import_circle():
    graph = {module: imports(module) - {module} for module in MODULES}
    assert circle(graph) == []
    assert circle({name: set(below.split()) for name, below in ROOMS.items()}) == []


def test_core_never_imports_streamlit_or_a_page():
    roots = {name.split(".")[0] for module in MODULES for name in imports(module)}
    assert not roots & {"streamlit", "pages", "app", "serve", "benchmarks", "tests"}


def test_names_are_imported_from_their_module_and_not_from_the_package():
    packages = {name.removesuffix(".__init__") for name in FILES if name.endswith(".__init__")}
    shortcuts = {
        module: sorted(imports(module) & packages)
        for module in MODULES
        if module not in packages and imports(module) & packages
    }
    assert shortcuts == {}


def test_importing_what_computes_nothing_and_what_pages_open_with_imports_no_torch():
    without_torch = [module for module in MODULES if room(module) in WITHOUT_TORCH]
    packages = [name.removesuffix(".__init__") for name in FILES if name.endswith(".__init__")]
    program = (
        f"import sys, importlib\nfor name in {[*without_torch, *ALSO_WITHOUT_TORCH, *packages]}:\n"
        "    importlib.import_module(name)\n"
        "    assert 'torch' not in sys.modules, name"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
