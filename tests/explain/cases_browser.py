"""Scripts and policies as a table: what a script may read, or at which step its browser stops."""

from __future__ import annotations

from typing import TypeAlias

from corsgate.config.model.values import Cors

READ = "read"
CHECK, STATUS = "CORS check", "preflight: status"
PREFLIGHT_CHECK = "preflight: CORS check"

APP = "https://app.example.com"
SPA = (APP, "https://*.dev.example.com", "http://localhost:*", "http://[::1]:3000")

POLICIES: dict[str, Cors] = {
    "bare": Cors(allow_origins=SPA),
    "usual": Cors(
        allow_origins=SPA,
        allow_methods=("GET", "PUT", "DELETE"),
        allow_headers=("Content-Type", "If-Match", "X-App"),
        expose_headers=("ETag",),
        max_age_s=600,
    ),
    "login": Cors(
        allow_origins=SPA,
        allow_methods=("PUT",),
        allow_headers=("Content-Type", "Authorization"),
        allow_credentials=True,
    ),
    "open": Cors(allow_origins=("*",), allow_methods=("*",), allow_headers=("*",)),
    "open-token": Cors(
        allow_origins=("*",), allow_methods=("*",), allow_headers=("*", "Authorization")
    ),
    "echo": Cors(
        allow_origins=SPA, allow_methods=("*",), allow_headers=("*",), allow_credentials=True
    ),
    "lenient": Cors(allow_origins=SPA, enforce_origin=False),
    "shells": Cors(
        allow_origins=(
            *("capacitor://localhost", "ionic://localhost", "chrome-extension://abcdef"),
            *("moz-extension://12345678-1234-1234-1234-123456789abc", "tauri://localhost"),
            *("http://127.0.0.1:*", "https://[2001:db8::1]:8443", "http://*.localhost"),
        ),
        allow_methods=("PUT",),
    ),
}

JSON = (b"Content-Type", b"application/json")
FORM = (b"Content-Type", b"application/x-www-form-urlencoded")
TOKEN = (b"Authorization", b"Bearer t")
X_APP = (b"X-App", b"1")
MATCH = (b"If-Match", b'"1"')

Case: TypeAlias = tuple[str, str, str, tuple[tuple[bytes, bytes], ...], bool, str]

# Policy; the page's origin; method; request headers; whether credentials are included; outcome.
CASES: tuple[Case, ...] = (
    # Origins, byte for byte.
    ("bare", APP, "GET", (), False, READ),
    ("bare", "https://app.example.com:8443", "GET", (), False, CHECK),
    ("bare", "http://app.example.com", "GET", (), False, CHECK),
    ("bare", "https://example.com", "GET", (), False, CHECK),
    ("bare", "https://xapp.example.com", "GET", (), False, CHECK),
    ("bare", "https://app.example.com.evil.test", "GET", (), False, CHECK),
    ("bare", "https://evil.test", "POST", (), False, CHECK),
    ("bare", "null", "GET", (), False, CHECK),
    ("bare", "https://app.example.co", "GET", (), False, CHECK),
    ("bare", "ftp://app.example.com", "GET", (), False, CHECK),
    # Subdomains at any depth, never the bare domain.
    ("bare", "https://a.dev.example.com", "GET", (), False, READ),
    ("bare", "https://a.b.c.d.e.dev.example.com", "GET", (), False, READ),
    ("bare", "https://xn--bcher-kva.dev.example.com", "GET", (), False, READ),
    ("bare", "https://dev.example.com", "GET", (), False, CHECK),
    ("bare", "https://adev.example.com", "GET", (), False, CHECK),
    ("bare", "https://a.dev.example.com:444", "GET", (), False, CHECK),
    ("bare", "http://a.dev.example.com", "GET", (), False, CHECK),
    ("bare", "https://a.dev.example.com.evil.test", "GET", (), False, CHECK),
    # Any port.
    ("bare", "http://localhost", "GET", (), False, READ),
    ("bare", "http://localhost:4200", "GET", (), False, READ),
    ("bare", "http://localhost:65535", "GET", (), False, READ),
    ("bare", "https://localhost:4200", "GET", (), False, CHECK),
    ("bare", "http://localhost.evil.test:4200", "GET", (), False, CHECK),
    ("bare", "http://a.localhost:4200", "GET", (), False, CHECK),
    ("bare", "http://127.0.0.1:4200", "GET", (), False, CHECK),
    # IPv6.
    ("bare", "http://[::1]:3000", "GET", (), False, READ),
    ("bare", "http://[::1]", "GET", (), False, CHECK),
    ("bare", "http://[::1]:3001", "GET", (), False, CHECK),
    ("bare", "http://[::2]:3000", "GET", (), False, CHECK),
    ("bare", "http://[::ffff:7f00:1]:3000", "GET", (), False, CHECK),
    ("shells", "https://[2001:db8::1]:8443", "GET", (), False, READ),
    ("shells", "https://[2001:db8::1]", "GET", (), False, CHECK),
    ("shells", "http://[2001:db8::1]:8443", "GET", (), False, CHECK),
    # App shells and extensions.
    ("shells", "capacitor://localhost", "GET", (), False, READ),
    ("shells", "capacitor://localhost", "PUT", (), False, READ),
    ("shells", "ionic://localhost", "PUT", (), False, READ),
    ("shells", "tauri://localhost", "GET", (), False, READ),
    ("shells", "chrome-extension://abcdef", "PUT", (), False, READ),
    ("shells", "moz-extension://12345678-1234-1234-1234-123456789abc", "GET", (), False, READ),
    ("shells", "chrome-extension://abcdeg", "GET", (), False, CHECK),
    ("shells", "moz-extension://abcdef", "GET", (), False, CHECK),
    ("shells", "capacitor://localhost:1", "GET", (), False, CHECK),
    ("shells", "capacitor://evil.localhost", "GET", (), False, CHECK),
    ("shells", "http://localhost", "GET", (), False, CHECK),
    ("shells", "http://a.localhost", "GET", (), False, READ),
    ("shells", "http://a.b.localhost", "PUT", (), False, READ),
    ("shells", "http://a.localhost:81", "GET", (), False, CHECK),
    ("shells", "http://127.0.0.1", "GET", (), False, READ),
    ("shells", "http://127.0.0.1:9", "DELETE", (), False, STATUS),
    ("shells", "http://127.0.0.2:9", "GET", (), False, CHECK),
    # Methods, which are case-sensitive.
    ("bare", APP, "HEAD", (), False, READ),
    ("bare", APP, "POST", (FORM,), False, READ),
    ("bare", APP, "get", (), False, READ),
    ("bare", APP, "PUT", (), False, STATUS),
    ("bare", APP, "DELETE", (), False, STATUS),
    ("bare", APP, "OPTIONS", (), False, STATUS),
    ("usual", APP, "PUT", (), False, READ),
    ("usual", APP, "put", (), False, READ),
    ("usual", APP, "Delete", (), False, READ),
    ("usual", APP, "POST", (), False, READ),
    ("usual", APP, "PATCH", (), False, STATUS),
    ("usual", APP, "patch", (), False, STATUS),
    ("usual", APP, "PROPFIND", (), False, STATUS),
    ("usual", "https://evil.test", "PUT", (), False, PREFLIGHT_CHECK),
    ("usual", "null", "PUT", (), False, PREFLIGHT_CHECK),
    ("open", "https://any.test", "PATCH", (), False, READ),
    ("open", "https://any.test", "patch", (), False, READ),
    ("open", "null", "PROPFIND", (), False, READ),
    ("open", "capacitor://localhost", "QUERY", (), False, READ),
    # Request headers.
    ("bare", APP, "POST", (JSON,), False, STATUS),
    ("bare", APP, "POST", ((b"Content-Type", b"text/plain; charset=utf-8"),), False, READ),
    ("bare", APP, "POST", ((b"Content-Type", b"text/plain;(x)"),), False, STATUS),
    ("bare", APP, "GET", ((b"Accept", b"text/html"),), False, READ),
    ("bare", APP, "GET", ((b"Accept", b"a" * 129),), False, STATUS),
    ("bare", APP, "GET", ((b"Range", b"bytes=0-9"),), False, READ),
    ("bare", APP, "GET", ((b"Range", b"bytes=-9"),), False, STATUS),
    ("bare", APP, "GET", (X_APP,), False, STATUS),
    ("bare", APP, "GET", ((b"Cookie", b"a"), (b"Sec-X", b"1")), False, READ),
    ("usual", APP, "POST", (JSON,), False, READ),
    ("usual", APP, "PUT", (JSON, MATCH, X_APP), False, READ),
    ("usual", APP, "PUT", ((b"x-app", b"1"), (b"IF-MATCH", b"*")), False, READ),
    ("usual", APP, "PUT", (JSON, (b"X-Other", b"1")), False, STATUS),
    ("usual", APP, "GET", (TOKEN,), False, STATUS),
    ("usual", APP, "GET", ((b"X-Ap", b"1"),), False, STATUS),
    ("usual", "https://a.dev.example.com", "PUT", (JSON,), False, READ),
    ("usual", "https://dev.example.com", "PUT", (JSON,), False, PREFLIGHT_CHECK),
    ("open", "https://any.test", "GET", (X_APP, MATCH), False, READ),
    ("open", "https://any.test", "GET", (TOKEN,), False, STATUS),
    ("open-token", "https://any.test", "GET", (TOKEN,), False, READ),
    ("open-token", "null", "PUT", (TOKEN, X_APP), False, READ),
    # Credentials.
    ("bare", APP, "GET", (), True, CHECK),
    ("usual", APP, "PUT", (JSON,), True, PREFLIGHT_CHECK),
    ("open", "https://any.test", "GET", (), True, CHECK),
    ("open", "https://any.test", "PUT", (), True, PREFLIGHT_CHECK),
    ("login", APP, "GET", (), True, READ),
    ("login", APP, "PUT", (JSON, TOKEN), True, READ),
    ("login", APP, "PUT", (JSON, TOKEN), False, READ),
    ("login", APP, "DELETE", (), True, STATUS),
    ("login", APP, "PUT", (X_APP,), True, STATUS),
    ("login", "https://a.dev.example.com", "GET", (), True, READ),
    ("login", "http://localhost:1", "PUT", (TOKEN,), True, READ),
    ("login", "https://evil.test", "GET", (), True, CHECK),
    ("echo", APP, "PATCH", (X_APP, JSON), True, READ),
    ("echo", APP, "patch", (X_APP,), True, READ),
    ("echo", APP, "PROPFIND", ((b"Depth", b"1"),), False, READ),
    ("echo", APP, "GET", (TOKEN,), True, STATUS),
    ("echo", APP, "PUT", (TOKEN, X_APP), False, STATUS),
    ("echo", "https://evil.test", "PUT", (), True, PREFLIGHT_CHECK),
    ("echo", "null", "GET", (), True, CHECK),
    # Without enforce_origin other origins are served, but their pages can't read the response.
    ("lenient", APP, "GET", (), False, READ),
    ("lenient", "https://evil.test", "GET", (), False, CHECK),
    ("lenient", "https://evil.test", "PUT", (), False, PREFLIGHT_CHECK),
    # The gate's own pages need no policy.
    ("bare", "https://gate.example.com", "PUT", (TOKEN, X_APP), True, READ),
    ("usual", "https://gate.example.com", "PATCH", (JSON,), False, READ),
    ("bare", "http://gate.example.com", "GET", (), False, CHECK),
)
