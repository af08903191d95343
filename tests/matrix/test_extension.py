"""A real extension in Chromium: allowed by its name, or with all others, or not at all."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from twisted.internet.threads import deferToThread

from tests.matrix.browsers import Running, chromium
from tests.peers import Message, reactor
from tests.support import GateTestCase

PATIENCE_S = 60.0
"""Far more than the browser takes."""

_MANIFEST = {
    "manifest_version": 3,
    "name": "Calls a gate",
    "version": "1",
    "background": {"service_worker": "worker.js"},
}
_WORKER = """
const see = async (path) => {
  try {
    return await (await fetch("@GATE@" + path, { method: "PUT", body: "text" })).text();
  } catch (error) {
    return error.name;
  }
};
(async () => {
  const seen = {};
  for (const path of ["/named", "/every", "/other"]) seen[path] = await see(path);
  await fetch("@GATE@/every/seen", { method: "POST", body: JSON.stringify(seen) });
})();
"""
# Without this feature Chromium would load no extension from its command line.
_LOADS = "--disable-features=DisableLoadExtensionCommandLineSwitch"


def origin_of(directory: Path) -> str:
    """Return the origin of an extension that is loaded from a directory.

    Its id is made of the path, and has the letters from "a" to "p" for hexadecimal digits.
    """
    digits = hashlib.sha256(str(directory).encode()).hexdigest()[:32]
    return "chrome-extension://" + digits.translate(
        str.maketrans("0123456789abcdef", "abcdefghijklmnop")
    )


class ExtensionTests(GateTestCase):
    """The gate is called by an extension that has no permission for its host."""

    timeout = 90

    async def test_chromium(self) -> None:
        """Its calls are CORS requests of its own origin, which decides as that of a page does."""
        directory = Path(self.mktemp()).absolute()
        directory.mkdir()
        mine = origin_of(directory)
        upstream = await self.upstream()
        any_extension = "dangerously_allow_any_browser_extension = true"
        policies = {
            "/named": f'allow_origins = ["{mine}"]',
            "/every": f'allow_origins = ["chrome-extension://*"], {any_extension}',
            "/other": f'allow_origins = ["{mine[:-1]}"]',
        }
        routes = "".join(
            f'[routes."{path}"]\nupstream = "a"\ncors = {{ {policy}, allow_methods = ["PUT"] }}\n'
            for path, policy in policies.items()
        )
        gate = self.serve(f'[upstreams.a]\nservers = ["{upstream.url}"]\n{routes}')
        (directory / "manifest.json").write_text(json.dumps(_MANIFEST), "utf-8")
        url = f"http://localhost:{gate.port}"
        (directory / "worker.js").write_text(_WORKER.replace("@GATE@", url), "utf-8")

        browser = Running.start(chromium, "about:blank", [f"--load-extension={directory}", _LOADS])
        self.addCleanup(deferToThread, browser.end)

        def report() -> Message | None:
            return next((each for each in upstream.requests if b"/seen" in each.target), None)

        seen = await upstream.when(report).addTimeout(PATIENCE_S, reactor)
        assert seen is not None
        self.assertEqual(
            json.loads(seen.body), {"/named": "ok", "/every": "ok", "/other": "TypeError"}
        )
        self.assertEqual(
            [(each.method, each.target) for each in upstream.requests],
            [(b"PUT", b"/named"), (b"PUT", b"/every"), (b"POST", b"/every/seen")],
        )
