"""Probes a box with read-only requests, and proposes a configuration for it."""
