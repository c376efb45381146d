"""Files the server hands to the browser as they are: ``static/``, made anew on each computer.

plotly.min.js is 4.8 MB. Served from here it is loaded once; sent with a chart it would travel with
every tick. It is the copy that the installed plotly carries, so that Python and browser agree.
"""

from pathlib import Path

import plotly

from core.files import told_plainly, write_atomically
from core.settings import PROJECT


def publish_plotly(project: Path = PROJECT) -> Path:
    """Copy plotly.min.js into the ``static`` folder of ``project``; returns the copy's path.

    A copy of the same size is left alone. It must be a copy: the server refuses links that lead out of
    ``static/``. Raises StoreError when it cannot be written.
    """
    source = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
    copy = project / "static" / source.name
    if not copy.is_file() or copy.stat().st_size != source.stat().st_size:
        with told_plainly(copy):
            copy.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(copy, source.read_bytes())
    return copy
