"""Read the messages of browser consoles, each in its real wording."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.errors import BadValue
from corsgate.explain.block_causes import Cause
from corsgate.explain.console import read_message
from tests.explain.console_messages import console_messages

URL = "http://localhost:5555/v1/documents?uri=/a.json"
APP = "http://localhost:4200"
PREFLIGHT = "Response to preflight request doesn't pass access control check: "
NO_CORS = (
    " If an opaque response serves your needs, set the request's mode to 'no-cors' to fetch the"
    " resource with CORS disabled."
)
WITH_CREDENTIALS = (
    " The credentials mode of requests initiated by the XMLHttpRequest is controlled by the"
    " withCredentials attribute."
)
HEADER = "The 'Access-Control-Allow-Origin' header "

CHROMIUM: tuple[tuple[str, Cause], ...] = (
    (
        "No 'Access-Control-Allow-Origin' header is present on the requested resource." + NO_CORS,
        Cause.MISSING_ORIGIN,
    ),
    (
        "The value of the 'Access-Control-Allow-Origin' header in the response must not be the"
        " wildcard '*' when the request's credentials mode is 'include'." + WITH_CREDENTIALS,
        Cause.WILDCARD_ORIGIN,
    ),
    (
        HEADER + f"contains multiple values '*, {APP}', but only one is allowed.",
        Cause.SEVERAL_ORIGINS,
    ),
    (HEADER + "contains the invalid value 'localhost'.", Cause.INVALID_ORIGIN),
    (
        HEADER + "has a value 'http://b.example' that is not equal to the supplied origin.",
        Cause.OTHER_ORIGIN,
    ),
    (
        "The value of the 'Access-Control-Allow-Credentials' header in the response is '' which"
        " must be 'true' when the request's credentials mode is 'include'.",
        Cause.NO_CREDENTIALS,
    ),
    (
        "Redirect location 'http://u:p@h/' contains a username and password, which is disallowed"
        " for cross-origin requests.",
        Cause.REDIRECT_USERINFO,
    ),
    (
        "Cross origin requests are only supported for protocol schemes: chrome, chrome-extension,"
        " chrome-untrusted, data, http, https, isolated-app.",
        Cause.NOT_HTTP,
    ),
    ("Cross origin requests are not allowed by request mode.", Cause.MODE),
    ("The response is invalid.", Cause.NO_ANSWER),
    (
        "The request client is not a secure context and the resource is in more-private address"
        " space `loopback`.",
        Cause.LOCAL_NETWORK_INSECURE,
    ),
    (
        "Permission was denied for this request to access the `loopback` address space.",
        Cause.LOCAL_NETWORK,
    ),
    (
        "No 'Access-Control-Allow-Private-Network' header was present in the preflight response"
        " for this private network request targeting the `local` address space.",
        Cause.LOCAL_NETWORK,
    ),
    (
        "Request had a target IP address space of `local` yet the resource is in address space"
        " `public`.",
        Cause.LOCAL_NETWORK_TARGET,
    ),
)
CHROMIUM_PREFLIGHT: tuple[tuple[str, Cause], ...] = (
    *((PREFLIGHT + why, cause) for why, cause in CHROMIUM[:6]),
    (PREFLIGHT + "It does not have HTTP ok status.", Cause.PREFLIGHT_STATUS),
    (PREFLIGHT + "Redirect is not allowed for a preflight request.", Cause.PREFLIGHT_REDIRECT),
    (
        "Cannot parse Access-Control-Allow-Methods response header field in preflight response.",
        Cause.UNREADABLE_METHODS,
    ),
    (
        "Cannot parse Access-Control-Allow-Headers response header field in preflight response.",
        Cause.UNREADABLE_HEADERS,
    ),
    (
        "Method PUT is not allowed by Access-Control-Allow-Methods in preflight response.",
        Cause.METHOD,
    ),
    (
        "Request header field x-app is not allowed by Access-Control-Allow-Headers in preflight"
        " response.",
        Cause.HEADER,
    ),
)
FIREFOX: tuple[tuple[str, Cause], ...] = (
    ("CORS disabled).", Cause.DISABLED),
    ("CORS request did not succeed). Status code: (null).", Cause.NO_ANSWER),
    ("CORS header ‘Origin’ cannot be added).", Cause.MODE),
    ("CORS request external redirect not allowed).", Cause.PREFLIGHT_REDIRECT),
    ("CORS request not http).", Cause.NOT_HTTP),
    ("CORS header ‘Access-Control-Allow-Origin’ missing). Status code: 200.", Cause.MISSING_ORIGIN),
    (
        "Multiple CORS header ‘Access-Control-Allow-Origin’ not allowed).",
        Cause.SEVERAL_ORIGINS,
    ),
    (
        "CORS header ‘Access-Control-Allow-Origin’ does not match ‘http://b.example’).",
        Cause.OTHER_ORIGIN,
    ),
    (
        "Credential is not supported if the CORS header ‘Access-Control-Allow-Origin’ is ‘*’).",
        Cause.WILDCARD_ORIGIN,
    ),
    ("Did not find method in CORS header ‘Access-Control-Allow-Methods’).", Cause.METHOD),
    (
        "expected ‘true’ in CORS header ‘Access-Control-Allow-Credentials’).",
        Cause.NO_CREDENTIALS,
    ),
    ("CORS preflight response did not succeed). Status code: 405.", Cause.PREFLIGHT_STATUS),
    ("CORS preflight channel did not succeed).", Cause.PREFLIGHT_STATUS),
    (
        "invalid token ‘PUT GET’ in CORS header ‘Access-Control-Allow-Methods’).",
        Cause.UNREADABLE_METHODS,
    ),
    (
        "invalid token ‘a:b’ in CORS header ‘Access-Control-Allow-Headers’).",
        Cause.UNREADABLE_HEADERS,
    ),
    (
        "header ‘x-app’ is not allowed according to header ‘Access-Control-Allow-Headers’ from"
        " CORS preflight response).",
        Cause.HEADER,
    ),
    (
        "When the `Access-Control-Allow-Headers` is `*`, the `Authorization` header is not"
        " covered. To include the `Authorization` header, it must be explicitly listed in CORS"
        " header `Access-Control-Allow-Headers`).",
        Cause.HEADER,
    ),
    (
        "missing token ‘x-app’ in CORS header ‘Access-Control-Allow-Headers’ from CORS preflight"
        " channel).",
        Cause.HEADER,
    ),
)


def chromium(why: str, what: str = "fetch") -> str:
    """Return Chromium's message."""
    return (
        f"app.js:12 Access to {what} at '{URL}' from origin '{APP}' has been blocked by CORS"
        f" policy: {why}"
    )


def firefox(why: str) -> str:
    """Return Firefox's message."""
    return (
        "Cross-Origin Request Blocked: The Same Origin Policy disallows reading the remote"
        f" resource at {URL}. (Reason: {why}"
    )


class Messages(SynchronousTestCase):
    """`read_message`."""

    def test_chromium(self) -> None:
        """Each of Chromium's messages has its cause, for fetch and XMLHttpRequest."""
        for why, cause in (*CHROMIUM, *CHROMIUM_PREFLIGHT):
            for what in ("fetch", "XMLHttpRequest", "font", "script"):
                found = read_message(chromium(why, what))
                self.assertEqual((why, found.cause), (why, cause))
                self.assertEqual((found.browser, found.origin), ("chromium", APP))
                self.assertEqual(str(found.url), URL)

    def test_firefox(self) -> None:
        """Each of Firefox's messages has its cause."""
        for why, cause in FIREFOX:
            found = read_message(firefox(why))
            self.assertEqual((why, found.cause), (why, cause))
            self.assertEqual((found.browser, found.origin, str(found.url)), ("firefox", None, URL))

    def test_all(self) -> None:
        """Every message that browsers print has its cause and its URL."""
        messages = console_messages()
        for said in messages:
            found = read_message(said.text)
            self.assertEqual((said.text, found.cause), (said.text, said.cause))
            self.assertEqual((said.text, str(found.url or "")), (said.text, said.url))
        # Scripts can't make a browser say that, and fetch() names it only to the script.
        missing = set(Cause) - {said.cause for said in messages} - {Cause.FORBIDDEN_METHOD}
        self.assertEqual(missing, set())

    def test_most_precise(self) -> None:
        """Of several messages the most precise one counts, wherever it is."""
        vague = "Uncaught (in promise) TypeError: Failed to fetch\nGET x net::ERR_FAILED 403"
        precise = chromium(CHROMIUM[0][0])
        for said in (f"{vague}\n{precise}", f"{precise}\n{vague}"):
            found = read_message(said)
            self.assertEqual((found.cause, found.status), (Cause.MISSING_ORIGIN, 403))

    def test_cut(self) -> None:
        """The end of a message is enough for its cause."""
        for why, cause in (*CHROMIUM_PREFLIGHT, *FIREFOX):
            if "Access-Control-Allow-" in why and "does not match" not in why:
                self.assertEqual((why, read_message(why).cause), (why, cause))

    def test_about_cors(self) -> None:
        """What no CORS header fixes is told apart."""
        self.assertTrue(read_message(chromium(CHROMIUM[0][0])).is_about_cors)
        self.assertFalse(read_message(f"GET {URL} net::ERR_CONNECTION_REFUSED").is_about_cors)

    def test_socket_urls(self) -> None:
        """The URL of a WebSocket is that of the request which opens it."""
        found = read_message("WebSocket connection to 'wss://localhost:5555/x' failed: ")
        self.assertEqual(str(found.url), "https://localhost:5555/x")

    def test_what_it_names(self) -> None:
        """Method, header, preflight and credentials are read from messages that have them."""
        found = read_message(chromium(CHROMIUM_PREFLIGHT[-2][0]))
        self.assertEqual((found.method, found.header, found.preflight), ("PUT", None, True))
        for said in (
            chromium(CHROMIUM_PREFLIGHT[-1][0]),
            firefox(FIREFOX[-1][0]),
            firefox(FIREFOX[-3][0]),
        ):
            self.assertEqual(
                (read_message(said).header, read_message(said).preflight), ("x-app", True)
            )
        self.assertFalse(read_message(chromium(CHROMIUM[0][0])).preflight)
        self.assertTrue(read_message(chromium(CHROMIUM_PREFLIGHT[0][0])).preflight)
        self.assertTrue(read_message(chromium(CHROMIUM[1][0])).credentials)
        self.assertFalse(read_message(firefox(FIREFOX[5][0])).credentials)

    def test_as_it_is_copied(self) -> None:
        """Line ends, surrounding text and straight quotes don't matter."""
        said = chromium(CHROMIUM[0][0]).replace(" ", "\n  ", 9) + "\nGET net::ERR_FAILED 403"
        self.assertIs(read_message(said).cause, Cause.MISSING_ORIGIN)
        straight = firefox(FIREFOX[7][0]).replace("‘", "'").replace("’", "'")
        self.assertIs(read_message(straight).cause, Cause.OTHER_ORIGIN)

    def test_redirected(self) -> None:
        """For a redirected call, the URL that the script called is reported."""
        said = chromium(CHROMIUM[0][0]).replace(
            f"'{URL}'", f"'https://login.example/' (redirected from '{URL}')"
        )
        self.assertEqual(str(read_message(said).url), URL)

        self.assertEqual(str(read_message(said).redirected), "https://login.example/")

    def test_apostrophes(self) -> None:
        """A URL may contain apostrophes, as in OData."""
        url = "http://localhost:5555/odata/Products('1')?q='a'"
        for said in (chromium(CHROMIUM[0][0]), firefox(FIREFOX[5][0])):
            self.assertEqual(str(read_message(said.replace(URL, url)).url), url)

    def test_other_wordings(self) -> None:
        """Calls that are blocked before anything is sent have other messages."""
        page = "https://app.example"
        for said, cause, origin in (
            (
                'Fetch API cannot load file:///x. URL scheme "file" is not supported.',
                "NOT_HTTP",
                None,
            ),
            (
                f'a.js:1 Fetch API cannot load {URL}. Request mode is "same-origin" but the URL\'s'
                f" origin is not same as the request origin {page}.",
                "MODE",
                page,
            ),
            (
                f"Mixed Content: The page at '{page}/a?b' was loaded over HTTPS, but requested an"
                f" insecure resource '{URL}'. This request has been blocked; the content must be"
                " served over HTTPS.",
                "MIXED_CONTENT",
                page,
            ),
            (f"Blocked loading mixed active content “{URL}” a.js:3:1", "MIXED_CONTENT", None),
        ):
            found = read_message(said)
            self.assertEqual((found.cause, found.origin), (Cause[cause], origin))
            self.assertEqual(found.url is None, "file:" in said)

    def test_hostile(self) -> None:
        """Copied text can't control the terminal, and any length is read quickly."""
        found = read_message(chromium("\x1b]0;x\x07 moon").replace(APP, "http://a\x1b[2J"))
        self.assertTrue(found.why.isprintable())
        self.assertTrue((found.origin or "").isprintable())
        value = "'Access-Control-Allow-Origin' header has a value '"
        self.assertIsNone(read_message(chromium(value * 20_000)).cause)
        self.assertRaises(BadValue, read_message, "Access to x at '" * 20_000)
        for piece in (
            "http://",
            "GET http://a ",
            "Local Network Access detected: top-level site '",
        ):
            self.assertRaises(BadValue, read_message, piece * 20_000)

    def test_unknown(self) -> None:
        """An unknown reason has no cause; other text is rejected."""
        found = read_message(chromium("The moon is full."))
        self.assertEqual((found.cause, found.why), (None, "The moon is full."))
        for said in ("", "TypeError: x is not a function", "x" * 100_000):
            self.assertRaises(BadValue, read_message, said)
