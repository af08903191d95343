"""The plot: it shows what the tables say."""

from __future__ import annotations

from xml.etree import ElementTree

from twisted.trial.unittest import SynchronousTestCase

from bench.bars import Results
from bench.measure import GATE
from bench.plot import plot
from tests.bench.samples import results

SVG = "{http://www.w3.org/2000/svg}"
FOUND = results(
    (("1k", GATE), [40.0, 44.0, 42.0]),
    (("1k", "caddy"), [84.0]),
    (("http2", GATE), [120.0]),
    left_out={("http2", "caddy"): "it doesn't start"},
)


def panels(found: Results) -> list[ElementTree.Element]:
    """Return the panels of a plot, which must be well-formed."""
    return list(ElementTree.fromstring(plot(found)).iter(f"{SVG}g"))


def texts(panel: ElementTree.Element) -> list[str | None]:
    """Return all that is written in a panel."""
    return [each.text for each in panel.iter(f"{SVG}text")]


class Plots(SynchronousTestCase):
    """The SVG."""

    def test_has_a_panel_for_each_load(self) -> None:
        """Each names its load, and the proxies with their medians."""
        first, second = panels(FOUND)
        self.assertEqual(texts(first), ["1 KB, same fields, µs", GATE, "42", "caddy", "84"])
        self.assertEqual(
            texts(second),
            ["1 KB over HTTP/2, µs", GATE, "120", "caddy", "not measured"],
        )

    def test_bars_are_as_long_as_the_times(self) -> None:
        """Half the time is half the length; the gate's bar has a colour of its own."""
        gate, caddy = panels(FOUND)[0].iter(f"{SVG}rect")
        self.assertAlmostEqual(2 * float(gate.attrib["width"]), float(caddy.attrib["width"]))
        self.assertEqual((gate.attrib["class"], caddy.attrib["class"]), ("gate", "peer"))

    def test_lies_within_its_size(self) -> None:
        """The last panel ends where the picture does."""
        root = ElementTree.fromstring(plot(FOUND))
        _, _, width, height = map(float, root.attrib["viewBox"].split())
        for panel in root.iter(f"{SVG}g"):
            x, y = map(float, panel.attrib["transform"][len("translate(") : -1].split())
            for bar in panel.iter(f"{SVG}rect"):
                self.assertLess(x + float(bar.attrib["x"]) + float(bar.attrib["width"]), width)
                self.assertLess(y + float(bar.attrib["y"]) + float(bar.attrib["height"]), height)

    def test_leaves_out_who_was_not_asked(self) -> None:
        """What is for the gate alone says nothing of the others."""
        (_, unlogged) = panels(results((("1k", "caddy"), [84.0]), (("unlogged", GATE), [42.0])))
        self.assertEqual(texts(unlogged), ["1 KB, no access_log, µs", GATE, "42"])

    def test_is_empty_of_nothing(self) -> None:
        """Nothing measured is a picture without panels."""
        self.assertEqual(panels(Results()), [])
