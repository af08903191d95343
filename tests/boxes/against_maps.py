"""MapProxy, and stand-ins for GeoServer and ArcGIS, reached by the URL that the page names."""

from __future__ import annotations

import json
from collections.abc import Sequence
from urllib.parse import quote

from tests.boxes.box import Box
from tests.boxes.case import BoxTestCase, from_json
from tests.boxes.installed import SERVERS, python
from tests.boxes.stand_in import Asked, Reply, StandIn
from tests.ports import free_port

LAYER = """\
services:
  wms: {md: {title: maps}}
layers:
  - {name: plain, title: plain, sources: [plain]}
sources:
  plain: {type: debug}
"""
MAP = (
    "request=GetMap&version=1.1.1&layers=plain&styles=&srs=EPSG:4326&bbox=-10,-10,10,10"
    "&width=64&height=64&format=image/png"
)


def geoserver(asked: Asked) -> Reply:
    """Answer WMS and WFS as GeoServer does; one path leads elsewhere."""
    if asked.target.startswith("/geoserver/leave"):
        return Reply(status=302, headers={"Location": "http://elsewhere.example/secret"})
    if asked.method == "POST":
        return Reply(headers={"Content-Type": "application/xml"}, pieces=(asked.body,))
    return Reply(
        headers={"Content-Type": "text/xml"},
        pieces=(b"<WMS_Capabilities>%b</WMS_Capabilities>" % asked.target.encode(),),
    )


def arcgis(asked: Asked) -> Reply:
    """Answer as ArcGIS Server does: its errors are 200."""
    if "f=json" not in asked.target:
        return Reply(pieces=(b'{"error": {"code": 400}}',))
    return Reply(pieces=(json.dumps({"target": asked.target}).encode(),))


class MapProxy(Box):
    """MapProxy, which serves WMS as GeoServer does, at the same path."""

    ready = "/geoserver/"

    def command(self, port: int) -> Sequence[str]:
        """Return what starts it."""
        path = self.home / "maps.yaml"
        path.write_text(LAYER, "utf-8")
        return [python(), str(SERVERS / "wms.py"), str(port), str(path)]


class MapTests(BoxTestCase):
    """A map."""

    def test_wms(self) -> None:
        """A page reads the capabilities of a server that it names, and shows its map."""
        box = self.start(MapProxy)
        self.open("maps", {8080: box.port, 6080: free_port()})
        service = f"/proxy?http://localhost:{box.port}/geoserver/service?service=WMS&"
        capabilities = self.read(f"{service}request=GetCapabilities&version=1.3.0")
        self.assertIn(b"<Name>plain</Name>", capabilities.body)
        failed = self.read(f"{service}request=GetMap&version=1.3.0", 500)
        self.assertIn(b"ServiceException", failed.body)
        picture = f"{self.url}{service}{MAP}"
        self.assertEqual(self.show(self.browser(), picture), 64)

    def test_page(self) -> None:
        """Layers of both servers are read by URL, raw and encoded; nothing else is reached."""
        boxes = [StandIn(geoserver), StandIn(arcgis)]
        for box in boxes:
            self.addCleanup(box.stop)
        maps, tiles = (f"http://localhost:{box.port}" for box in boxes)
        self.open("maps", {8080: boxes[0].port, 6080: boxes[1].port})
        wms = f"{maps}/geoserver/wms?service=WMS&request=GetCapabilities"
        layer = f"{tiles}/arcgis/rest/services/World/MapServer?f=json"
        for query in (layer, quote(layer, safe=""), f"url={quote(layer, safe='')}"):
            found = from_json(self.read(f"/proxy?{query}"))
            self.assertEqual(found["target"], "/arcgis/rest/services/World/MapServer?f=json")
        self.assertIn(b"/geoserver/wms?service=WMS", self.read(f"/proxy?{wms}").body)
        xml = {"Content-Type": "text/xml"}
        posted = self.send("POST", f"/proxy?{maps}/geoserver/wfs", xml, b"<GetFeature/>")
        self.assertEqual(self.check(posted).body, b"<GetFeature/>")
        gone = self.read(f"/proxy?{maps}/geoserver/leave", 302)
        self.assertEqual(gone.headers["Location"], "http://elsewhere.example/secret")
        seen = [len(box.asked) for box in boxes]
        others = (
            f"{maps}/manager/html",
            f"{maps}/geoserver/../manager",
            f"http://localhost:{self.app.port}/",
            f"http://127.0.0.1:{boxes[0].port}/geoserver/wms",
            f"http://x@localhost:{boxes[0].port}/geoserver/wms",
            "file:///etc/passwd",
            "",
        )
        for url in others:
            self.read(f"/proxy?{url}", 400, 403)
        self.check_stranger("GET", f"/proxy?{wms}")
        self.assertEqual([len(box.asked) for box in boxes], seen)
        fetched = self.browser().fetch(f"{self.url}/proxy?{layer}")
        self.assertEqual(json.loads(fetched["text"])["target"], layer.removeprefix(tiles))
