"""``python -m core``: the laboratory without a browser (see :mod:`core.cli`)."""

import sys

from core.cli import main

sys.exit(main())
