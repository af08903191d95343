"""For which requests an upstream sees its own origin instead of the page's."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Cors
from corsgate.cors.decide import decide
from corsgate.cors.policy import Policy, compile_policy
from corsgate.cors.vouching import KEEP, SERVER, origin_mode
from corsgate.message.headers import Header, index_headers

OWN = b"https://gate.example"
APP = b"https://app.example"
SUB = b"https://a.apps.example"
EVIL = b"https://evil.example"

NAMED = compile_policy(Cors(allow_origins=(APP.decode(), "https://*.apps.example")))
LAX = compile_policy(Cors(allow_origins=(APP.decode(),), enforce_origin=False))
ANY = compile_policy(Cors(allow_origins=("*",)))
STRANGERS = compile_policy(
    Cors(
        allow_origins=("null", "chrome-extension://*", APP.decode()),
        dangerously_allow_null_origin=True,
        dangerously_allow_any_browser_extension=True,
    )
)

CASES: tuple[tuple[Policy | None, list[Header], str, str], ...] = (
    # The policy, the fields, and the modes with hosts checked and with any host.
    (NAMED, [(b"Origin", APP)], SERVER, SERVER),
    (NAMED, [(b"Origin", SUB)], SERVER, SERVER),
    (NAMED, [(b"Origin", EVIL)], KEEP, KEEP),
    (NAMED, [(b"Origin", b"null")], KEEP, KEEP),
    (NAMED, [(b"Origin", b"")], KEEP, KEEP),
    (NAMED, [(b"Origin", APP), (b"Origin", APP)], KEEP, KEEP),
    (NAMED, [(b"Origin", OWN)], SERVER, KEEP),
    (NAMED, [], KEEP, KEEP),
    # Origin counts if both are there.
    (NAMED, [(b"Origin", APP), (b"Referer", EVIL + b"/")], SERVER, SERVER),
    (NAMED, [(b"Origin", EVIL), (b"Referer", APP + b"/")], KEEP, KEEP),
    # Referer alone.
    (NAMED, [(b"Referer", APP + b"/page?x#y")], SERVER, SERVER),
    (NAMED, [(b"Referer", APP)], SERVER, SERVER),
    (NAMED, [(b"Referer", APP + b".evil.example/")], KEEP, KEEP),
    (NAMED, [(b"Referer", APP + b"/"), (b"Referer", EVIL)], KEEP, KEEP),
    (NAMED, [(b"Referer", b"about:blank")], KEEP, KEEP),
    (NAMED, [(b"Referer", b"")], KEEP, KEEP),
    (NAMED, [(b"Referer", APP + b"/"), (b"Sec-Fetch-Site", b"same-site")], SERVER, SERVER),
    (NAMED, [(b"Referer", APP + b"/"), (b"Sec-Fetch-Site", b"cross-site")], KEEP, KEEP),
    (None, [(b"Referer", OWN + b"/lab")], SERVER, KEEP),
    (None, [(b"Referer", OWN + b"/lab"), (b"Sec-Fetch-Site", b"cross-site")], KEEP, KEEP),
    (None, [(b"Referer", OWN + b"/lab"), (b"Sec-Fetch-Site", b"same-site")], KEEP, KEEP),
    (None, [(b"Referer", OWN + b"/lab"), (b"Sec-Fetch-Site", b"same-origin")], SERVER, KEEP),
    # Nobody has checked these origins.
    (None, [(b"Origin", APP)], KEEP, KEEP),
    (LAX, [(b"Origin", APP)], KEEP, KEEP),
    (ANY, [(b"Origin", APP)], KEEP, KEEP),
    (ANY, [(b"Origin", b"null")], KEEP, KEEP),
    (LAX, [(b"Referer", APP + b"/")], KEEP, KEEP),
    (STRANGERS, [(b"Origin", b"null")], KEEP, KEEP),
    (STRANGERS, [(b"Origin", b"chrome-extension://abc")], KEEP, KEEP),
    (STRANGERS, [(b"Referer", b"chrome-extension://abc/")], KEEP, KEEP),
    (STRANGERS, [(b"Origin", APP)], SERVER, SERVER),
    (STRANGERS, [(b"Referer", APP + b"/")], SERVER, SERVER),
    # But the gate's own pages are known wherever its hosts are.
    (None, [(b"Origin", OWN)], SERVER, KEEP),
    (LAX, [(b"Origin", OWN)], SERVER, KEEP),
    (ANY, [(b"Origin", OWN)], SERVER, KEEP),
)


def mode(
    policy: Policy | None,
    headers: list[Header],
    *,
    hosts_checked: bool,
    configured: str | None = None,
    method: bytes = b"GET",
    own: bytes = OWN,
) -> str:
    """Return what an upstream is to see."""
    index = index_headers(headers)
    decision = decide(policy, method, index, own, credentialed=False)
    return origin_mode(
        configured, policy, decision, method, index, own, hosts_checked=hosts_checked
    )


class OriginModeTests(SynchronousTestCase):
    """`origin_mode`."""

    def test_default(self) -> None:
        """The upstream sees its own origin only where the gate has checked the page's."""
        for policy, headers, checked, anywhere in CASES:
            self.assertEqual(mode(policy, headers, hosts_checked=True), checked, headers)
            self.assertEqual(mode(policy, headers, hosts_checked=False), anywhere, headers)

    def test_own_page_that_hides_its_origin(self) -> None:
        """A form of the gate's own page may have the origin null: the browser says same-origin."""
        form = [(b"Origin", b"null"), (b"Sec-Fetch-Site", b"same-origin")]
        self.assertEqual(mode(None, form, hosts_checked=True, method=b"POST"), SERVER)
        self.assertEqual(mode(None, form, hosts_checked=True, method=b"GET"), KEEP)
        self.assertEqual(mode(None, form, hosts_checked=False, method=b"POST"), KEEP)

    def test_no_host(self) -> None:
        """A client that named no host has no page of the gate."""
        for headers in ([(b"Origin", b"")], [(b"Referer", b"")], [(b"Referer", b"x")]):
            self.assertEqual(mode(None, headers, hosts_checked=True, own=b""), KEEP)

    def test_configured(self) -> None:
        """What is configured holds for every request of a page that an enforced policy allows."""
        cross = (b"Sec-Fetch-Site", b"cross-site")
        for configured in ("server", "gate", "drop", "keep", "https://box.example"):
            for policy in (None, NAMED, LAX, ANY):
                for headers in (
                    [(b"Origin", EVIL)],
                    [(b"Referer", APP + b"/"), cross],
                    [(b"Referer", OWN + b"/"), cross],
                    [(b"Referer", b"http://gate.example/"), (cross[0], b"same-origin")],
                ):
                    got = mode(policy, headers, hosts_checked=False, configured=configured)
                    self.assertEqual(got, configured)
            for headers in (
                [(b"Referer", EVIL + b"/"), cross],
                [(b"Referer", EVIL)],
                [(b"Referer", b"")],
                [(b"Referer", APP + b"/"), (b"Referer", EVIL)],
            ):
                got = mode(NAMED, headers, hosts_checked=True, configured=configured)
                self.assertEqual(got, KEEP)
                for policy in (None, LAX, ANY):
                    got = mode(policy, headers, hosts_checked=False, configured=configured)
                    self.assertEqual(got, configured)
            self.assertEqual(mode(NAMED, [], hosts_checked=True, configured=configured), KEEP)
