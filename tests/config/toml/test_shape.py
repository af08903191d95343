"""Tests of `corsgate.config.toml.shape`: what is known of one place in a document."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.toml.shape import Asked, shape, shape_of


class ShapeTests(SynchronousTestCase):
    """Schemas beside readers."""

    def test_a_mark_leaves_the_reader_as_it_is(self) -> None:
        """Its schema is found by its function; another function has none."""

        @shape({"type": "string"})
        def reader(raw: object) -> object:
            return raw

        self.assertEqual((reader(1), shape_of(reader)), (1, {"type": "string"}))
        self.assertIsNone(shape_of(lambda raw: raw))

    def test_facts_add_up(self) -> None:
        """A place is read more than once: a later reader without a schema takes nothing away."""
        asked = Asked().more({"type": "string"}, required=True)
        again = asked.more(None, default="a")
        self.assertEqual(again, Asked(shape={"type": "string"}, required=True, default="a"))
        self.assertEqual(again.more({"type": "integer"}).shape, {"type": "integer"})
