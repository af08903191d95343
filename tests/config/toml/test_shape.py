"""Tests of `corsgate.config.toml.shape`: schemas beside readers."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.toml.shape import shape, shape_of


class ShapeTests(SynchronousTestCase):
    """Schemas beside readers."""

    def test_a_mark_leaves_the_reader_as_it_is(self) -> None:
        """Its schema is found by its function; another function has none."""

        @shape({"type": "string"})
        def reader(raw: object) -> object:
            return raw

        self.assertEqual((reader(1), shape_of(reader)), (1, {"type": "string"}))
        self.assertIsNone(shape_of(lambda raw: raw))
