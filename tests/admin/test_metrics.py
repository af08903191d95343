"""``/metrics`` as text: which format, and that pieces are as good as the whole."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families
from twisted.trial.unittest import SynchronousTestCase

from corsgate.admin.metrics import encoded, encoder
from tests.admin.support import ADMIN, AdminTestCase
from tests.programs import output, require
from tests.support import FROM_APP, FROM_FOREIGN

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


class EncoderTests(SynchronousTestCase):
    """`encoder` and `encoded`."""

    def test_formats(self) -> None:
        """OpenMetrics for who asks for it; plain text for all others."""
        for accept, starts in (
            ("", "text/plain; version=0.0.4"),
            ("text/html, */*", "text/plain; version=0.0.4"),
            (OPENMETRICS, "application/openmetrics-text; version=1.0.0"),
            (f"{OPENMETRICS},text/plain;version=0.0.4;q=0.5", "application/openmetrics-text"),
            ("text/plain; version=x", "text/plain; version=0.0.4"),
            ("application/openmetrics-text; version=x", "text/plain; version=0.0.4"),
        ):
            self.assertTrue(encoder(accept)[1].startswith(starts), accept)

    @given(st.text(st.characters(max_codepoint=255)))
    def test_any_accept(self, accept: str) -> None:
        """Whatever a client sends, there is a content type that can be sent."""
        for text in (accept, f"text/plain;version={accept}", f"{OPENMETRICS};escaping={accept}"):
            encoder(text)[1].encode("ascii")

    @given(st.lists(st.lists(st.tuples(st.text(), st.integers(0, 9)), max_size=3), max_size=4))
    def test_pieces(self, pieces: list[list[tuple[str, int]]]) -> None:
        """A family in pieces is written as if it had come whole, whatever its labels are."""

        def family(samples: list[tuple[str, int]]) -> Metric:
            made = CounterMetricFamily("a", "Some words.", labels=["x"])
            for label, value in samples:
                made.add_metric([label], value)
            return made

        other = CounterMetricFamily("b", "Others.", value=1)
        for encode in (generate_latest, openmetrics):
            found = b"".join(encoded(iter([*map(family, pieces), other]), encode))
            whole = [family([pair for piece in pieces for pair in piece])] if pieces else []

            class Registry(CollectorRegistry):
                def collect(self) -> list[Metric]:
                    return [*whole, other]  # noqa: B023  # it is called at once

            self.assertEqual(found, encode(Registry()))


class MetricsTests(AdminTestCase):
    """The address, over sockets."""

    async def test_promtool(self) -> None:
        """Promtool has nothing to say of names, types, units and help."""
        gate = self.front(await self.upstream(), rest=ADMIN)
        for headers in ((), (FROM_APP,), (FROM_FOREIGN,)):
            await self.ask(gate, headers=headers)
        answer = await self.get(self.whole(gate), b"/metrics")
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.one(b"content-type"), b"text/plain; version=0.0.4; charset=utf-8")
        promtool = require("promtool", "prometheus")
        self.assertEqual(await output(promtool, ["check", "metrics"], answer.body), "")
        self.assertIn("help", await output(promtool, ["check", "metrics"], b"bad_name_total 1\n"))

    async def test_parsers(self) -> None:
        """Both formats are well-formed, and say the same."""
        gate = self.front(await self.upstream(), rest=ADMIN)
        await self.ask(gate)
        service = self.whole(gate)
        plain = await self.get(service, b"/metrics")
        accept = (b"Accept", OPENMETRICS.encode())
        openly = await self.get(service, b"/metrics", [accept])
        found = [
            {
                (sample.name, tuple(sorted(sample.labels.items())))
                for family in read(answer.body.decode())
                for sample in family.samples
            }
            for read, answer in (
                (text_string_to_metric_families, plain),
                (read_openmetrics, openly),
            )
        ]
        self.assertEqual(*found)
        self.assertIn(
            (
                "corsgate_requests_total",
                (("code", "2xx"), ("route", "/v1"), ("verdict", "none")),
            ),
            found[0],
        )

    async def test_not_counted(self) -> None:
        """Scrapes are not among the gate's requests."""
        gate = self.front(await self.upstream(), rest=ADMIN)
        service = self.whole(gate)
        for _ in range(2):
            answer = await self.get(service, b"/metrics")
        self.assertNotIn(b"corsgate_requests_total{", answer.body)
        self.assertIn(b"corsgate_connections 0.0\n", answer.body)
