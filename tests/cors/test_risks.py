"""Risks that produce a warning; their words are in `tests.config.sections`."""

from __future__ import annotations

from typing import Any

import attrs
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.secret import Secret
from corsgate.config.model.values import BearerCredentials, Cors, Server, Upstream
from corsgate.cors.faults import (
    ANY_EXTENSION,
    ANY_ORIGIN,
    INSECURE_ORIGINS,
    NULL_CREDENTIALS,
    NULL_ORIGIN,
    PUBLIC_SUFFIXES,
    faults,
)
from corsgate.cors.risks import policy_risks, route_risks, valid_patterns

PLAIN = Cors(allow_origins=("https://app.example",))
BOX = Upstream(
    name="box",
    servers=(Server(scheme="http", host="h", port=1),),
    credentials=BearerCredentials(token=Secret("t")),
)
KEYS = (
    *(ANY_EXTENSION, ANY_ORIGIN, INSECURE_ORIGINS),
    *(NULL_CREDENTIALS, NULL_ORIGIN, PUBLIC_SUFFIXES),
)

# Changes of a policy, and the keys that it needs.
NEEDED: tuple[tuple[dict[str, Any], tuple[str, ...]], ...] = (
    ({}, ()),
    ({"allow_origins": ("http://a.test",)}, ()),
    ({"allow_origins": ("http://a.test",), "allow_credentials": True}, (INSECURE_ORIGINS,)),
    ({"allow_origins": ("https://*.co.uk",)}, (PUBLIC_SUFFIXES,)),
    ({"allow_origins": ("https://*--app.netlify.app",)}, (PUBLIC_SUFFIXES,)),
    ({"allow_origins": ("https://*app.test",)}, ()),
    ({"debug_origins": ("https://pr-*.co.uk",)}, (PUBLIC_SUFFIXES,)),
    ({"allow_origins": ("chrome-extension://*",)}, (ANY_EXTENSION,)),
    ({"debug_origins": ("moz-extension://*",)}, (ANY_EXTENSION,)),
    ({"allow_origins": ("null",)}, (NULL_ORIGIN,)),
    ({"allow_origins": ("null",), "allow_credentials": True}, (NULL_CREDENTIALS,)),
    (
        {"allow_origins": ("null", "moz-extension://*", "https://pr-*.co.uk")},
        (NULL_ORIGIN, ANY_EXTENSION, PUBLIC_SUFFIXES),
    ),
)


def risks(cors: Cors) -> dict[str, str]:
    """Return the problems that `policy_risks` finds, by key."""
    found = policy_risks(
        cors, valid_patterns(cors.allow_origins), valid_patterns(cors.debug_origins)
    )
    return {key: problem for key, problem, _ in found}


class PolicyTests(SynchronousTestCase):
    """`policy_risks`."""

    def test_each_key_is_needed_or_has_no_effect(self) -> None:
        """With exactly the keys that it needs, a policy has no fault; each says its risk."""
        for changes, needed in NEEDED:
            cors = attrs.evolve(PLAIN, **changes)
            self.assertEqual((changes, faults(cors) == []), (changes, not needed))
            permitted: dict[str, Any] = dict.fromkeys(needed, True)
            cors = attrs.evolve(cors, **permitted)
            self.assertEqual((changes, faults(cors)), (changes, []))
            found = risks(cors)
            self.assertEqual((changes, sorted(found)), (changes, sorted(needed)))
            self.assertNotIn("it has no effect", "".join(found.values()))
            for key in {*KEYS} - {*needed}:
                if key == ANY_ORIGIN and "null" in cors.allow_origins:
                    continue
                permitted = {key: True}
                found = risks(attrs.evolve(cors, **permitted))
                self.assertIn("it has no effect", found[key], (changes, key))

    def test_credentials_of_the_browser(self) -> None:
        """Any port of this machine, and any header, are wide where cookies come along."""
        for changes, keys in (
            ({"allow_origins": ("http://localhost:*",)}, ["allow_origins[0]"]),
            ({"allow_origins": ("https://a.test", "http://127.0.0.1:*")}, ["allow_origins[1]"]),
            ({"allow_origins": ("http://*.localhost:*",)}, ["allow_origins[0]"]),
            ({"allow_origins": ("http://localhost:1",)}, []),
            ({"allow_origins": ("https://a.test:*",)}, []),
            ({"allow_headers": ("*",)}, ["allow_headers"]),
            ({"allow_headers": ("X-A",)}, []),
        ):
            cors = attrs.evolve(PLAIN, **changes)
            self.assertEqual((changes, risks(cors)), (changes, {}))
            cors = attrs.evolve(cors, allow_credentials=True)
            self.assertEqual((changes, list(risks(cors))), (changes, keys))

    def test_invalid_entries_are_skipped(self) -> None:
        """An entry that is a fault is no risk besides."""
        self.assertEqual(valid_patterns(["nonsense", "https://A"]), [])


class RouteTests(SynchronousTestCase):
    """`route_risks`."""

    def test_strangers(self) -> None:
        """Whoever may act with the gate's credentials is named."""
        for changes, keys in (
            ({}, []),
            ({"allow_origins": ("https://pr-*.example",)}, []),
            ({"allow_origins": ("moz-extension://a", "null")}, []),
            ({"allow_origins": ("*",), ANY_ORIGIN: True}, [f"cors.{ANY_ORIGIN}"]),
            ({"allow_origins": ("null",), ANY_ORIGIN: True}, [f"cors.{ANY_ORIGIN}"]),
            ({"allow_origins": ("https://a", "moz-extension://*")}, ["cors.allow_origins[1]"]),
            ({"enforce_origin": False}, ["cors.enforce_origin"]),
            ({"allow_origins": ("https://a", "http://b")}, ["cors.allow_origins[1]"]),
        ):
            found = [key for key, _, _ in route_risks(attrs.evolve(PLAIN, **changes), BOX)]
            self.assertEqual((changes, found), (changes, keys))
