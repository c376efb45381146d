"""``python -m core``: the laboratory without a browser (see :mod:`core.cli.main`)."""

import sys

from core.cli.main import main

sys.exit(main())
