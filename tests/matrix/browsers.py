"""Chromium and Firefox as they are, without a window or a driver: each opens one page."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from tests.browser import FLAGS
from tests.programs import require

_FIREFOX_PREFERENCES: Final[Mapping[str, str | int | bool]] = {
    # Whatever is not this machine goes to a proxy that isn't there.
    "network.proxy.type": 1,
    "network.proxy.allow_bypass": False,
    "network.proxy.failover_direct": False,
    "network.proxy.http": "127.0.0.1",
    "network.proxy.http_port": 1,
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.ssl_port": 1,
    "network.proxy.no_proxies_on": "localhost, .localhost, 127.0.0.1",
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.dns.disablePrefetch": True,
    "network.prefetch-next": False,
    "network.trr.mode": 5,
    # Calls that fail are part of the matrix; none waits for the failure of another.
    "network.websocket.delay-failed-reconnects": False,
    "app.normandy.enabled": False,
    "app.shield.optoutstudies.enabled": False,
    "app.update.auto": False,
    "app.update.disabledForTesting": True,
    "app.update.enabled": False,
    "browser.aboutwelcome.enabled": False,
    "browser.cache.disk.enable": False,
    "browser.contentblocking.report.lockwise.enabled": False,
    "browser.newtabpage.activity-stream.feeds.section.topstories": False,
    "browser.newtabpage.enabled": False,
    "browser.ping-centre.telemetry": False,
    "browser.region.network.url": "",
    "browser.region.update.enabled": False,
    "browser.safebrowsing.blockedURIs.enabled": False,
    "browser.safebrowsing.downloads.enabled": False,
    "browser.safebrowsing.downloads.remote.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.safebrowsing.provider.google4.updateURL": "",
    "browser.safebrowsing.provider.mozilla.updateURL": "",
    "browser.search.update": False,
    "browser.sessionstore.resume_from_crash": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.homepage_override.mstone": "ignore",
    "browser.startup.page": 0,
    "datareporting.healthreport.uploadEnabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "dom.push.enabled": False,
    "extensions.blocklist.enabled": False,
    "extensions.getAddons.cache.enabled": False,
    "extensions.systemAddon.update.enabled": False,
    "extensions.update.enabled": False,
    "geo.enabled": False,
    "media.gmp-manager.updateEnabled": False,
    "messaging-system.rsexperimentloader.enabled": False,
    "security.OCSP.enabled": 0,
    "services.settings.server": "data:,#remote-settings-dummy/v1",
    "signon.rememberSignons": False,
    "startup.homepage_welcome_url": "",
    "toolkit.startup.max_resumed_crashes": -1,
    "toolkit.telemetry.enabled": False,
    "toolkit.telemetry.server": "",
    "toolkit.telemetry.unified": False,
    "trailhead.firstrun.didSeeAboutWelcome": True,
}

# Without it a released Firefox doesn't heed services.settings.server.
_ENVIRON: Final = {"MOZ_REMOTE_SETTINGS_DEVTOOLS": "1"}


def chromium(profile: Path) -> list[str]:
    """Return the command that starts Chromium with a new profile; the page's URL follows."""
    program = require("chromium", "chromium")
    return [program, *FLAGS, f"--user-data-dir={profile}"]


def firefox(profile: Path) -> list[str]:
    """Return the command that starts Firefox with a new profile; the page's URL follows."""
    program = require("firefox-esr", "firefox-esr")
    lines = [
        f"user_pref({_js(name)}, {_js(value)});" for name, value in _FIREFOX_PREFERENCES.items()
    ]
    (profile / "user.js").write_text("\n".join(lines) + "\n", "utf-8")
    return [program, "--headless", "--no-remote", "--profile", str(profile)]


def _js(value: str | int | bool) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    return str(value).lower()


@attrs.define
class Running:
    """A browser with all its processes, and a directory that is all it knows and leaves."""

    _home: Path
    _process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, make: Any, url: str, more: Sequence[str] = ()) -> Running:
        """Open a page.

        Args:
            make: `chromium` or `firefox`.
            url: The page's.
            more: Further arguments.
        """
        home = Path(tempfile.mkdtemp(prefix="corsgate-matrix-"))
        try:
            profile = home / "profile"
            profile.mkdir()
            command = [*make(profile), *more, url]
            with (home / "said").open("wb") as said:
                process = subprocess.Popen(
                    command,
                    env={**os.environ, **_ENVIRON, "HOME": str(home), "TMPDIR": str(home)},
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=subprocess.STDOUT,
                    # A group of its own, so that its many processes can be ended together.
                    start_new_session=True,
                )
        except BaseException:
            shutil.rmtree(home, ignore_errors=True)
            raise
        return cls(home, process)

    @property
    def said(self) -> str:
        """What it wrote to standard output and standard error."""
        return (self._home / "said").read_text("utf-8", "replace")

    def end(self) -> None:
        """End it, whatever it does; once is enough. Blocks until its first process is gone."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        shutil.rmtree(self._home, ignore_errors=True)
