"""Streamlit and Bokeh, which judge the Origin of WebSockets by lists of their own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from tests.boxes.box import Box
from tests.boxes.case import BoxTestCase, direct
from tests.boxes.installed import python
from tests.ports import free_port

STREAMLIT_APP = """\
import streamlit

streamlit.write("hello from streamlit")
name = streamlit.text_input("Name")
streamlit.write(f"name is {name}")
"""

BOKEH_APP = """\
from bokeh.io import curdoc
from bokeh.models import Div

curdoc().add_root(Div(text="hello from bokeh"))
"""


class Streamlit(Box):
    """A Streamlit app."""

    ready = "/_stcore/health"

    def prepare(self) -> None:
        """Write the app."""
        (self.home / "app.py").write_text(STREAMLIT_APP, "utf-8")

    def command(self, port: int) -> Sequence[str]:
        """Return what starts it."""
        return [
            *(python(), "-m", "streamlit", "run", "app.py", f"--server.port={port}"),
            *("--server.address=127.0.0.1", "--server.headless=true"),
            *("--browser.gatherUsageStats=false", "--server.fileWatcherType=none"),
        ]


class Bokeh(Box):
    """A Bokeh app at ``/bokeh/sliders``."""

    ready = "/bokeh/sliders"

    def prepare(self) -> None:
        """Write the app."""
        (self.home / "sliders.py").write_text(BOKEH_APP, "utf-8")

    def command(self, port: int) -> Sequence[str]:
        """Return what starts it."""
        return [
            *(python(), "-m", "bokeh", "serve", "--prefix=bokeh", "sliders.py"),
            *("--address=127.0.0.1", f"--port={port}"),
        ]

    def environ(self, port: int) -> Mapping[str, str]:
        """Have its pages load scripts from itself."""
        return {"BOKEH_RESOURCES": "server"}


class StreamlitTests(BoxTestCase):
    """Streamlit."""

    def test_apps(self) -> None:
        """Its own page works at the gate, and its WebSocket opens for allowed apps only."""
        box = self.start(Streamlit)
        self.open("python-apps", {8501: box.port, 5006: free_port()})
        self.read("/_stcore/health")
        self.check_stranger("GET", "/_stcore/health")
        for origin in (self.app.origin, self.lan):
            socket = self.websocket("/_stcore/stream", origin=origin, protocols=["streamlit"])
            self.assertEqual(socket.subprotocol, "streamlit")
            socket.close()
        self.check_strange_socket("/_stcore/stream", protocols=["streamlit"])
        browser = self.browser()
        browser.open(f"{self.url}/")
        browser.wait_for_text("body", "hello from streamlit")
        browser.wait_for_enabled("input").send_keys("Ada\n")
        browser.wait_for_text("body", "name is Ada")


class BokehTests(BoxTestCase):
    """Bokeh."""

    def test_apps(self) -> None:
        """Its session's WebSocket opens for an app, and its own page works at the gate."""
        box = self.start(Bokeh)
        self.open("python-apps", {5006: box.port, 8501: free_port()})
        page = self.read("/bokeh/sliders").body.decode()
        found = re.search(r'"token":"([^"]+)"', page)
        assert found is not None, page
        protocols = ["bokeh", found[1]]
        strict = {"Origin": self.app.origin, "Connection": "Upgrade", "Upgrade": "websocket"}
        strict |= {"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
        strict |= {"Sec-WebSocket-Protocol": ", ".join(protocols)}
        self.assertEqual(direct(box.port, "GET", "/bokeh/sliders/ws", strict).status, 403)
        socket = self.websocket("/bokeh/sliders/ws", protocols=protocols)
        self.assertIn("ACK", str(socket.recv(timeout=30)))
        socket.close()
        self.check_strange_socket("/bokeh/sliders/ws", protocols=protocols)
        browser = self.browser()
        browser.open(f"{self.url}/bokeh/sliders")
        waited = self.run_script(
            browser,
            """
            const ready = () => globalThis.Bokeh?.documents?.length;
            while (!ready()) await new Promise((resolve) => setTimeout(resolve, 50));
            return Bokeh.documents[0].roots()[0].text;
            """,
        )
        self.assertEqual(waited, "hello from bokeh")
