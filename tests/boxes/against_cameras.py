"""A stand-in for cameras: digest credentials, and responses that only browsers read."""

from __future__ import annotations

import http.client

from tests.boxes.camera import PASSWORD, PICTURE, Camera
from tests.boxes.case import BoxTestCase
from tests.running import PATIENCE_S

SHOW = """
const image = new Image();
image.crossOrigin = args[1] ? "anonymous" : null;
document.body.append(image);
const loaded = new Promise((resolve) => {
  image.onload = () => resolve(true);
  image.onerror = () => resolve(false);
});
image.src = args[0];
const shown = await loaded;
const width = image.naturalWidth;
image.remove();
return [shown, width];
"""


class CameraTests(BoxTestCase):
    """A camera."""

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
            shown = self.run_script(browser, SHOW, f"{base}/{name}", True)
            self.assertEqual(shown, [True, 1], name)
        # Of another site, the browser says nothing but that: the gate's password is not for it.
        browser.open(self.app.stranger)
        unsaid = self.run_script(browser, SHOW, f"{base}/picture.gif", False)
        self.assertEqual(unsaid, [False, 0])

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
