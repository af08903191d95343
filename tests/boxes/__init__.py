"""The gate before boxes of others; ``make test-boxes`` installs and runs them.

The tests are in the modules ``against_*.py``, a name that trial does not look for: ``make test``
needs none of these boxes.
"""
