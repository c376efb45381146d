"""``python -m core``: the same as the command ``resnet-lab``."""

import sys

from core.cli.main import main

sys.exit(main())
