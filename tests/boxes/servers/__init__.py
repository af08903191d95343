"""Servers and clients that run with what `make test-boxes` installs, not with the tests."""
