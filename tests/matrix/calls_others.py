"""What pages of other origins do."""

from __future__ import annotations

from typing import Any

from tests.matrix.calls_app import put, with_cookies
from tests.matrix.notation import (
    BLOCKED,
    FRAMES,
    GREETED,
    HEARD,
    LOADED,
    OPAQUE,
    Page,
    read,
)

post: dict[str, Any] = {"method": "POST", "body": "text"}

# Of another port: another origin, but the same site.
other = Page("other")
call = other.call
call("GET", "/app/x", BLOCKED)
call("HEAD", "/app/x", BLOCKED, method="HEAD")
call("POST", "/app/x", BLOCKED, method="POST", body="text")
call("PUT", "/app/x", BLOCKED, preflights=1, **put)
call("DELETE", "/app/x", BLOCKED, preflights=1, method="DELETE")
call("cookies", "/cookies/x", BLOCKED, **with_cookies)
call("guarded GET", "/guarded/x", BLOCKED)
call("guarded POST", "/guarded/x", BLOCKED, method="POST", body="text", **with_cookies)
call("XHR", "/app/x", BLOCKED, call="xhr")
call("XHR PUT", "/app/x", BLOCKED, call="xhr", preflights=1, **put)
call("events", "/app/events", BLOCKED, call="eventsource")
call("guarded events", "/guarded/events", BLOCKED, call="eventsource", withCredentials=True)
call("socket", "/app/socket", BLOCKED, call="websocket")
call("guarded socket", "/guarded/socket", BLOCKED, call="websocket")
call("no-cors POST", "/app/x", OPAQUE, mode="no-cors", method="POST", body="text")
call("image by CORS", "/app/image.gif", BLOCKED, call="img", crossOrigin="anonymous")
call("guarded form", "/guarded/x", LOADED, call="form", method="post")
call("502", "/gone/x", BLOCKED)
call("not enforced", "/lenient/x", BLOCKED, "POST", method="POST", body="text")
call("not enforced, PUT", "/lenient/x", BLOCKED, preflights=1, **put)
call("public", "/public/x", read("ok", 200, "x-hidden"), "GET")
call("public events", "/public/events", HEARD, "GET", call="eventsource")
call("public socket", "/public/socket", GREETED, "GET", call="websocket", cookie=True)
call("any port", "/ports/x", read(), "PUT", preflights=1, **put)
# Without an Origin nothing tells it from a person who follows a link; its answer is not read.
call("no-cors GET", "/app/x", OPAQUE, "GET", mode="no-cors")
call("guarded no-cors GET", "/guarded/x", OPAQUE, mode="no-cors")
call("guarded image", "/guarded/image.gif", BLOCKED, call="img")
# An element that shows documents tells by its events whether one is there, whoever may read it.
for kind, refused in FRAMES.items():
    for place in ("x", "404"):
        call(f"guarded {kind} of {place}", f"/guarded/{place}", refused, call=kind)
    call(f"public {kind}", "/public/x", LOADED, "GET", call=kind, cookie=True)

# Of another site.
foreign = Page("foreign")
call = foreign.call
call("GET", "/app/x", BLOCKED)
call("PUT", "/app/x", BLOCKED, preflights=1, **put)
call("any port of another host", "/ports/x", BLOCKED)
call("public", "/public/x", read("ok", 200, "x-hidden"), "GET")
call("socket", "/app/socket", BLOCKED, call="websocket")
call("image", "/app/image.gif", LOADED, "GET", call="img")
call("guarded GET", "/guarded/x", BLOCKED)
call("guarded no-cors GET", "/guarded/x", OPAQUE, mode="no-cors")
call("guarded no-cors POST", "/guarded/x", OPAQUE, mode="no-cors", method="POST", body="text")
call("guarded image", "/guarded/image.gif", BLOCKED, call="img")
call("guarded script", "/guarded/code.js", BLOCKED, call="script")
call("guarded form", "/guarded/x", LOADED, call="form", method="post")
call("guarded events", "/guarded/events", BLOCKED, call="eventsource")
call("guarded socket", "/guarded/socket", BLOCKED, call="websocket")
call("sealed script", "/sealed/code.js", BLOCKED, call="script")
call("sealed form", "/sealed/x", LOADED, call="form", method="post")
for kind, refused in FRAMES.items():
    for place in ("x", "404"):
        call(f"guarded {kind} of {place}", f"/guarded/{place}", refused, call=kind)
    call(f"sealed {kind}", "/sealed/x", refused, call=kind)
    # Where a route is open to frames, that is all that it is open to.
    call(f"open {kind}", "/framed/x", LOADED, "GET", call=kind)
call("open form", "/framed/x", LOADED, call="form", method="post")
# A form that only asks is no more than a frame.
for name, target, reaches in (("guarded", "/guarded/x", ()), ("open", "/framed/x", ("GET",))):
    call(
        f"{name} form, GET",
        target,
        LOADED,
        *reaches,
        call="form",
        method="get",
        hidden={"case": f"foreign: {name} form, GET"},
    )

# Of another site, but allowed: what it may do by CORS it may do without.
call("abroad POST", "/abroad/x", read(), "POST", method="POST", body="text")
call("abroad no-cors POST", "/abroad/x", OPAQUE, "POST", mode="no-cors", **post)
call("abroad beacon", "/abroad/x", OPAQUE, "POST", mode="no-cors", keepalive=True, **post)
call("abroad form", "/abroad/x", LOADED, "POST", call="form", method="post")
# What has no Origin is not known to be its own.
call("abroad image", "/abroad/image.gif", BLOCKED, call="img")
call("abroad iframe", "/abroad/x", LOADED, call="iframe")

# Of a name below the one that a wildcard is under, and of that name itself.
below = Page("below")
call = below.call
call("GET", "/below/x", read(), "GET")
call("PUT", "/below/x", read(), "PUT", preflights=1, **put)
call("events", "/below/events", HEARD, "GET", call="eventsource")
call("socket", "/below/socket", GREETED, "GET", call="websocket")
call("exact origin", "/app/x", BLOCKED)
call("star within a label", "/previews/x", read(), "PUT", preflights=1, **put)
call("socket by it", "/previews/socket", GREETED, "GET", call="websocket")
bare = Page("bare")
call = bare.call
call("star within a label", "/previews/x", BLOCKED, preflights=1, **put)
call("socket by it", "/previews/socket", BLOCKED, call="websocket")
call("GET", "/below/x", BLOCKED)
call("PUT", "/below/x", BLOCKED, preflights=1, **put)
call("socket", "/below/socket", BLOCKED, call="websocket")

# In a sandbox.
sandbox = Page("sandbox")
call = sandbox.call
call("GET", "/app/x", BLOCKED)
call("POST", "/app/x", BLOCKED, method="POST", body="text")
call("PUT", "/app/x", BLOCKED, preflights=1, **put)
call("socket", "/app/socket", BLOCKED, call="websocket")
call("events", "/app/events", BLOCKED, call="eventsource")
call("guarded POST", "/guarded/x", BLOCKED, method="POST", body="text")
call("guarded iframe", "/guarded/x", LOADED, call="iframe")
call("public", "/public/x", read("ok", 200, "x-hidden"), "GET")

# In a file. Its origin is null, as in a sandbox.
file = Page("file")
call = file.call
call("GET", "/app/x", BLOCKED)
call("guarded POST", "/guarded/x", BLOCKED, method="POST", body="text")
call("public", "/public/x", read("ok", 200, "x-hidden"), "GET")
# Unlike a sandbox, it may send forms. No name allows what they have for an origin.
call("trusted form", "/trusting/x", LOADED, call="form", method="post")

# Both may do where null is allowed what it says, but with the gate's credentials by CORS alone.
for page in (sandbox, file):
    call = page.call
    call("null", "/null/x", read(), "GET")
    call("null, PUT", "/null/x", read(), "PUT", preflights=1, **put)
    call("null, DELETE", "/null/x", BLOCKED, preflights=1, method="DELETE")
    call("socket by null", "/null/socket", GREETED, "GET", call="websocket")
    call("events by null", "/null/events", HEARD, "GET", call="eventsource")
    call("trusted PUT", "/trusting/x", read(), "PUT", preflights=1, **put)
    call("trusted no-cors POST", "/trusting/x", OPAQUE, mode="no-cors", **post)
    call("trusted image", "/trusting/image.gif", BLOCKED, call="img")

# Behind the gate itself, where nothing is cross-origin.
own = Page("own")
call = own.call
everything = ("x-hidden",)
call("GET", "/app/x", read("ok", 200, *everything, type="basic"), "GET", cookie=True)
call(
    "POST", "/app/x", read("ok", 200, *everything), "POST", cookie=True, method="POST", body="text"
)
call("PUT", "/guarded/x", read("ok", 200, *everything), "PUT", cookie=True, **put)
call(
    "sealed DELETE",
    "/sealed/x",
    read("ok", 200, *everything),
    "DELETE",
    cookie=True,
    method="DELETE",
)
call("form", "/guarded/x", LOADED, "POST", call="form", method="post", cookie=True)
for kind in FRAMES:
    call(kind, "/guarded/x", LOADED, "GET", call=kind, cookie=True)
call("events", "/app/events", HEARD, "GET", call="eventsource", cookie=True)
call("socket", "/guarded/socket", GREETED, "GET", call="websocket", cookie=True)
call("challenge withheld", "/guarded/401", read("ok", 401, *everything), "GET", cookie=True)
