"""The rules that a configuration reader gets."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.secret import Secret
from corsgate.config.model.values import BearerCredentials, Cors, Route, Server, Upstream
from corsgate.cors.check import CORS_RULES


class CheckTests(SynchronousTestCase):
    """`CORS_RULES`."""

    def test_each_rule_is_in_its_place(self) -> None:
        """Each of the four rules reports its own findings, and none of the others'."""
        cors = Cors(
            allow_origins=("*",), allow_methods=("PUT",), expose_headers=("Cookie",), max_age_s=9999
        )
        upstream = Upstream(
            name="box",
            servers=(Server(scheme="http", host="h", port=1),),
            credentials=BearerCredentials(token=Secret("t")),
        )
        route = Route(prefix="/", upstream=upstream, cors=cors, methods=("GET",))
        for found, keys in (
            (CORS_RULES.faults(cors), ["expose_headers[0]"]),
            (CORS_RULES.warnings(cors, False), ["max_age"]),
            (CORS_RULES.route_faults(route), ["cors"]),
            (CORS_RULES.route_warnings(route, True), ["cors.allow_methods[0]"]),
        ):
            self.assertEqual([key for key, _, _ in found], keys)
