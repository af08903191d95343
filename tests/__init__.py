"""The tests of corsgate, by trial."""

from hypothesis import settings

# How long an example takes says more of what else the machine does than of the code.
settings.register_profile("corsgate", deadline=None)
settings.load_profile("corsgate")
