"""The tests of corsgate. See README.md beside this file for what is where."""

import os
import sys

from hypothesis import HealthCheck, settings

# Compiling the gate takes a third of the time that one of its processes needs to start, and the
# tests start hundreds. Container images often set this variable for a smaller image.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# The time of an example depends on what else the machine does more than on the code.
settings.register_profile("corsgate", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("corsgate")
