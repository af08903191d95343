"""Stand-ins for GeoServer and ArcGIS, reached by the URL that the page names."""

from __future__ import annotations

import json
from urllib.parse import quote

from tests.boxes.case import BoxTestCase, from_json
from tests.boxes.stand_in import Asked, Reply, StandIn


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


class MapTests(BoxTestCase):
    """A map."""

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
