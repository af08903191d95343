"""Tells ``twistd`` that the subcommand ``corsgate`` is in `corsgate.tap`."""

from twisted.application.service import ServiceMaker

corsgate = ServiceMaker(
    "corsgate", "corsgate.tap", "Adds CORS and credentials to REST APIs", "corsgate"
)
