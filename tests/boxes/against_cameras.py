"""Motion, and a stand-in for older cameras: digest credentials, responses that browsers read."""

from __future__ import annotations

import http.client
from collections.abc import Sequence
from pathlib import Path

from tests.boxes.box import Box
from tests.boxes.camera import PASSWORD, PICTURE, Camera
from tests.boxes.case import BoxTestCase, direct
from tests.boxes.stand_in import Reply, StandIn
from tests.programs import require
from tests.running import PATIENCE_S

MOTION = """\
daemon off
setup_mode off
picture_output off
movie_output off
webcontrol_port 0
netcam_url http://127.0.0.1:@SOURCE@/picture.jpg
width 64
height 64
framerate 5
stream_localhost on
stream_port @PORT@
stream_auth_method 2
stream_authentication viewer:@PASSWORD@
"""


class Motion(Box):
    """Motion, which makes a camera with digest credentials of a picture that it fetches."""

    def prepare(self) -> None:
        """Serve the picture."""
        picture = (Path(__file__).parent / "picture.jpg").read_bytes()
        kind = {"Content-Type": "image/jpeg"}
        self._source = StandIn(lambda asked: Reply(headers=kind, pieces=(picture,)))

    def command(self, port: int) -> Sequence[str]:
        """Return what starts it."""
        text = MOTION.replace("@SOURCE@", str(self._source.port)).replace("@PORT@", str(port))
        path = self.home / "motion.conf"
        path.write_text(text.replace("@PASSWORD@", PASSWORD), "utf-8")
        return [require("motion", "motion"), "-n", "-c", str(path)]

    def stop(self) -> None:
        """End it, and its picture."""
        super().stop()
        self._source.stop()


class MotionTests(BoxTestCase):
    """Motion."""

    def test_page(self) -> None:
        """A page shows its picture and its video, without the password."""
        box = self.start(Motion)
        self.assertEqual(direct(box.port, "GET", "/current", {}).status, 401)
        self.open("cameras", {8081: box.port}, {"CAMERA_PASSWORD": PASSWORD})
        picture = self.read("/cameras/door/current")
        self.assertEqual(picture.headers["Content-Type"], "image/jpeg")
        self.check_stranger("GET", "/cameras/door/current")
        browser = self.browser()
        for name in ("current", "stream"):
            shown = self.show(browser, f"{self.url}/cameras/door/{name}")
            self.assertEqual(shown, 64, name)


class CameraTests(BoxTestCase):
    """A camera that is older than the standards."""

    def setUp(self) -> None:
        """Start the camera, and the gate before it."""
        super().setUp()
        self.box = Camera()
        self.addCleanup(self.box.stop)
        self.open("cameras", {8081: self.box.port}, {"CAMERA_PASSWORD": PASSWORD})

    def test_old_responses(self) -> None:
        """What has one meaning only is read, and can be read; what is ambiguous is a 502."""
        picture = self.read("/cameras/door/picture.gif")
        self.assertEqual(picture.body, PICTURE)
        self.assertEqual(self.read("/cameras/door/status").body, b'{"up": 120}')
        settings = self.read("/cameras/door/settings")
        self.assertEqual((settings.body, settings.headers["X-Model"]), (b"ok", "old camera"))
        self.assertIn(b"no such page", self.read("/cameras/door/missing", 404).body)
        self.read("/cameras/door/lengths", 502)
        self.check_stranger("GET", "/cameras/door/picture.gif")

    def test_page(self) -> None:
        """A page shows picture and video, if its elements say who asks."""
        browser = self.browser()
        base = f"{self.url}/cameras/door"
        for name in ("picture.gif", "video.mjpg"):
            shown = self.show(browser, f"{base}/{name}")
            self.assertEqual(shown, 1, name)
        # Of another site, the browser says nothing but that: the gate's password is not for it.
        browser.open(self.app.stranger)
        unsaid = self.show(browser, f"{base}/picture.gif", cors=False)
        self.assertEqual(unsaid, 0)

    def test_leaving(self) -> None:
        """The video streams, and ends at the camera when the page is gone."""
        connection = http.client.HTTPConnection("localhost", self.gate.port, timeout=PATIENCE_S)
        connection.request("GET", "/cameras/door/video.mjpg", headers={"Origin": self.app.origin})
        response = connection.getresponse()
        self.assertEqual(response.read(len(b"--frame")), b"--frame")
        self.assertFalse(self.box.left.is_set())
        response.close()
        connection.close()
        self.assertTrue(self.box.left.wait(PATIENCE_S))
