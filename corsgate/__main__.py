"""``python -m corsgate``."""

import sys

from corsgate.cli import main

sys.exit(main())
