"""Tests of `corsgate.gate.signing`: what belongs to an upstream's credentials."""

from __future__ import annotations

import attrs
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import BasicCredentials, NtlmCredentials, Secret
from corsgate.gate.signing import Common, make_signing, probe_signer
from corsgate.gate.upstream_runtime import make_upstream
from corsgate.transport.deadlines import Deadlines
from tests.support import LISTEN, parse

UPSTREAM = '[upstreams.a]\nservers = ["http://b"]\n[routes."/"]\nupstream = "a"\n'
BASIC = BasicCredentials(username="a", password=Secret("b"))
NTLM = NtlmCredentials(username="a", password=Secret("b"))


class SigningTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Have an upstream with Basic."""
        clock = MemoryReactorClock()
        self.common = Common(reactor=clock, deadlines=Deadlines(clock), rng=bytes)
        configured = parse(LISTEN + UPSTREAM).upstreams["a"]
        self.upstream = attrs.evolve(configured, credentials=BASIC)

    def test_kept(self) -> None:
        """Equal credentials keep all that they have learned; others begin anew."""
        before = make_upstream(self.upstream, self.common)
        equal = attrs.evolve(self.upstream, preserve_host=True)
        signing = make_signing(equal, "a", self.common, before)
        self.assertIs(signing.credentials, before.credentials)
        self.assertIs(signing.guard, before.guard)
        self.assertIs(signing.refusals, before.credential_refusals)
        self.assertIs(signing.own_requests, before.own_requests)
        other = attrs.evolve(BASIC, password=Secret("c"))
        changed = attrs.evolve(self.upstream, credentials=other)
        signing = make_signing(changed, "a", self.common, before)
        self.assertIsNot(signing.credentials, before.credentials)
        self.assertIsNot(signing.guard, before.guard)

    def test_shared(self) -> None:
        """Upstreams with equal credentials have one guard, which names those with a server."""
        first = make_upstream(self.upstream, self.common)
        other = attrs.evolve(BASIC, password=Secret("c"))
        second = make_upstream(attrs.evolve(self.upstream, name="b"), self.common)
        third = make_signing(attrs.evolve(self.upstream, credentials=other), "c", self.common, None)
        assert second.guard is not None
        self.assertIs(second.guard, first.guard)
        self.assertIsNot(third.guard, first.guard)
        names = second.guard.names
        self.assertEqual(names.of("http://b"), "a, b")
        second.change([])
        self.assertEqual(names.of("http://b"), "a")
        make_signing(self.upstream, "renamed", self.common, first)
        self.assertEqual(names.of("http://b"), "renamed")

    def test_none(self) -> None:
        """Without credentials there is nothing to guard."""
        upstream = attrs.evolve(self.upstream, credentials=None)
        signing = make_signing(upstream, "a", self.common, None)
        self.assertEqual((signing.credentials, signing.guard), (None, None))

    def test_probes(self) -> None:
        """Only what authenticates connections needs another signer for probes, with one guard."""
        signing = make_signing(self.upstream, "a", self.common, None)
        self.assertIs(probe_signer(self.upstream, self.common, signing), signing.credentials)
        upstream = attrs.evolve(self.upstream, credentials=NTLM)
        signing = make_signing(upstream, "a", self.common, None)
        self.assertIsNot(probe_signer(upstream, self.common, signing), signing.credentials)
