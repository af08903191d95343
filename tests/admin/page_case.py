"""A gate that twistd runs, with its status page in a browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from twisted.internet.threads import deferToThread

from tests.admin.pages import Page
from tests.peers import request, response
from tests.ports import free_port
from tests.twistd import Daemon, DaemonTestCase

T = TypeVar("T")

ROWS = "[...document.querySelectorAll('#routes-rows tr')].map((row) => row.innerText)"
REFUSED = "[...document.querySelectorAll('.refusal')].map((one) => one.innerText)"
BANNER = "document.querySelector('#banner:not([hidden])')?.textContent"
STATE = "document.querySelector('#state').textContent"


async def in_thread(function: Callable[..., T], *arguments: object, **options: Any) -> T:
    """Return what a blocking call returns, while the reactor runs."""
    return cast(T, await deferToThread(function, *arguments, **options))


class StatusPageTestCase(DaemonTestCase):
    """A gate with an admin listener, an upstream and a browser."""

    timeout = 180
    start: Callable[..., Page]

    async def setUp(self) -> None:  # type: ignore[override]  # trial awaits it
        """Start the gate."""
        self.box = await self.upstream(response(body=b"ok"))
        self.admin_port = free_port()
        self.config = self.toml()
        self.gate = await self.started()

    def toml(self) -> str:
        """Return the gate's configuration."""
        return f"""
listen = ["tcp:0:interface=127.0.0.1"]
access_log = "off"
[admin]
listen = "tcp:{self.admin_port}:interface=127.0.0.1"
[upstreams.box]
servers = ["{self.box.url}"]
[cors.app]
allow_origins = ["https://app.example"]
[routes."/v1"]
upstream = "box"
cors = "app"
"""

    async def started(self) -> Daemon:
        """Start a gate with the configuration; return it once it listens."""
        self.file = Path(self.mktemp()).absolute()
        self.file.write_text(self.config, "utf-8")
        gate = self.daemon("--config", str(self.file))
        self.port = await gate.port()
        return gate

    @property
    def url(self) -> str:
        """The status page's address."""
        return f"http://localhost:{self.admin_port}/"

    async def page(self, **options: Any) -> Page:
        """Open the page in a new browser; return it once it has values."""
        page = await in_thread(type(self).start, **options)
        self.addCleanup(deferToThread, page.close)
        await in_thread(page.open, self.url)
        await in_thread(page.wait, f"{STATE} === 'Serving'")
        return page

    async def call(
        self,
        origin: bytes = b"https://app.example",
        method: bytes = b"GET",
        *fields: Any,
        target: bytes = b"/v1/documents",
    ) -> int:
        """Send a request through the gate; return its status."""
        headers = [(b"Origin", origin), *fields]
        host = f"localhost:{self.port}".encode()
        data = request(method, target, headers, host=host)
        return (await self.send_to(self.port, data)).status
