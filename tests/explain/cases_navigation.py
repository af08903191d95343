"""Navigations as a table: which tabs, frames, objects and forms get through."""

from __future__ import annotations

from typing import TypeAlias

from corsgate.cors.decide import Verdict
from tests.cors.cases import APP, EVIL, FORWARD, OWN, REFUSE, SUB

DOCUMENT, IFRAME, FORM = (b"document",), (b"iframe",), b"https://app.example/form"
CROSS, SIBLING = b"cross-site", b"same-site"

Navigation: TypeAlias = tuple[
    str, bytes, tuple[bytes, ...], bytes, tuple[bytes, ...], bytes | None, Verdict, bool
]

# Policy; method; Origin fields; Sec-Fetch-Site; Sec-Fetch-Dest fields; Referer; verdict with
# credentials injected; whether the verdict was read from Referer. All have the mode navigate.
NAVIGATIONS: tuple[Navigation, ...] = (
    # Links, typed addresses, and tabs that scripts open. Prerendering differs from these only by
    # Sec-Purpose, and a page can't see its result.
    ("plain", b"GET", (), CROSS, DOCUMENT, None, FORWARD, False),
    ("plain", b"HEAD", (), CROSS, DOCUMENT, None, FORWARD, False),
    ("plain", b"GET", (), SIBLING, DOCUMENT, None, FORWARD, False),
    ("plain", b"GET", (), b"none", DOCUMENT, None, FORWARD, False),
    ("none", b"GET", (), CROSS, DOCUMENT, None, FORWARD, False),
    ("public", b"GET", (), CROSS, DOCUMENT, None, FORWARD, False),
    # Frames and plugins of another site: without Origin the page is unknown.
    *(
        ("plain", b"GET", (), CROSS, dests, FORM, REFUSE, False)
        for dests in (
            IFRAME,
            (b"frame",),
            (b"object",),
            (b"embed",),
            (b"fencedframe",),
            # Browsers don't send these with a navigation so far.
            (),
            (b"",),
            (b"empty",),
            (b"webidentity",),
            (b"DOCUMENT",),
            (b"document", b"iframe"),
            (b"document", b"document"),
        )
    ),
    ("plain", b"HEAD", (), CROSS, IFRAME, None, REFUSE, False),
    ("none", b"GET", (), CROSS, IFRAME, None, REFUSE, False),
    ("public", b"GET", (), CROSS, (b"object",), None, REFUSE, False),
    ("lenient", b"GET", (), CROSS, (b"object",), None, FORWARD, False),
    ("public-lenient", b"GET", (), CROSS, (b"embed",), None, FORWARD, False),
    # From a sibling, whose Referer identifies it.
    ("plain", b"GET", (), SIBLING, IFRAME, FORM, FORWARD, True),
    ("plain", b"GET", (), SIBLING, (b"object",), SUB, FORWARD, True),
    ("plain", b"GET", (), SIBLING, (), FORM, FORWARD, True),
    ("plain", b"GET", (), SIBLING, IFRAME, None, REFUSE, True),
    ("plain", b"GET", (), SIBLING, IFRAME, b"", REFUSE, True),
    ("plain", b"GET", (), SIBLING, (b"embed",), EVIL + b"/https://app.example/", REFUSE, True),
    ("plain", b"GET", (), SIBLING, (b"embed",), APP + b".evil.test/", REFUSE, True),
    ("none", b"GET", (), SIBLING, (b"frame",), FORM, REFUSE, False),
    ("public", b"GET", (), SIBLING, (b"frame",), FORM, REFUSE, False),
    ("lenient", b"GET", (), SIBLING, (b"frame",), None, FORWARD, False),
    # Within the gate's own pages, and by hand: a frame may be opened in a tab, or loaded again.
    *(
        ("plain", b"GET", (), site, dests, None, FORWARD, False)
        for site in (b"same-origin", b"none")
        for dests in (IFRAME, (b"object",), ())
    ),
    # Forms that post, into a tab or a frame.
    ("plain", b"POST", (APP,), CROSS, DOCUMENT, None, FORWARD, False),
    ("plain", b"POST", (APP,), CROSS, IFRAME, None, FORWARD, False),
    ("plain", b"POST", (SUB,), SIBLING, IFRAME, None, FORWARD, False),
    ("plain", b"POST", (), CROSS, DOCUMENT, FORM, REFUSE, False),
    ("plain", b"post", (), CROSS, DOCUMENT, None, REFUSE, False),
    ("plain", b"POST", (EVIL,), CROSS, DOCUMENT, FORM, REFUSE, False),
    ("plain", b"POST", (EVIL,), SIBLING, DOCUMENT, FORM, REFUSE, False),
    ("plain", b"POST", (b"null",), SIBLING, DOCUMENT, FORM, REFUSE, False),
    ("plain", b"POST", (OWN,), CROSS, DOCUMENT, None, REFUSE, False),
    ("plain", b"POST", (OWN,), SIBLING, DOCUMENT, FORM, REFUSE, False),
    ("plain", b"POST", (), SIBLING, DOCUMENT, None, REFUSE, True),
    ("plain", b"POST", (), SIBLING, IFRAME, FORM, FORWARD, True),
    ("plain", b"POST", (OWN,), b"same-origin", IFRAME, None, FORWARD, False),
    ("none", b"POST", (), CROSS, DOCUMENT, None, REFUSE, False),
    ("none", b"POST", (), SIBLING, DOCUMENT, FORM, REFUSE, False),
    ("public", b"POST", (b"null",), CROSS, DOCUMENT, None, REFUSE, False),
    ("public", b"POST", (APP,), CROSS, DOCUMENT, None, REFUSE, False),
    ("public", b"POST", (APP,), SIBLING, DOCUMENT, FORM, REFUSE, False),
    ("lenient", b"POST", (EVIL,), CROSS, DOCUMENT, None, FORWARD, False),
    ("lenient", b"POST", (EVIL,), SIBLING, IFRAME, None, FORWARD, False),
)
