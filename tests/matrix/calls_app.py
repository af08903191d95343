"""What the page does whose origin most policies allow."""

from __future__ import annotations

from typing import Any

from tests.matrix.notation import (
    BLOCKED,
    FRAMES,
    GREETED,
    HEARD,
    LOADED,
    OPAQUE,
    Page,
    made_here,
    read,
)

JSON = {"Content-Type": "application/json"}

app = Page("app")
call = app.call

# Simple requests, and what may be read of their answers.
call("GET", "/app/x", read(type="cors"), "GET")
call("HEAD", "/app/x", read(""), "HEAD", method="HEAD")
call("POST of text", "/app/x", read(), "POST", method="POST", body="text")
call("the upstream's 404", "/app/404", read(status=404), "GET")
call("the upstream's 500", "/app/500", read(status=500), "GET")
call("all exposed", "/public/x", read("ok", 200, "x-hidden"), "GET")
call("all exposed that is there", "/auto/x", read("ok", 200, "x-hidden"), "GET")

# Preflighted ones.
put: dict[str, Any] = {"method": "PUT", "body": "text"}
call("POST of JSON", "/app/x", read(), "POST", preflights=1, method="POST", body="{}", headers=JSON)
call("PUT", "/app/x", read(), "PUT", preflights=1, **put)
call("PATCH", "/app/x", read(), "PATCH", preflights=1, method="PATCH", body="text")
# Fetch puts delete and put into upper case, but not patch (#concept-method-normalize).
call("delete", "/app/x", read(), "DELETE", preflights=1, method="delete")
call("patch", "/app/x", BLOCKED, preflights=1, method="patch", body="text")
call("PURGE", "/app/x", read(), "PURGE", preflights=1, method="PURGE")
call("COPY, unlisted", "/app/x", BLOCKED, preflights=1, method="COPY")
call(
    "COPY where any is",
    "/public/x",
    read("ok", 200, "x-hidden"),
    "COPY",
    preflights=1,
    method="COPY",
)

# Request headers.
one, other = {"X-App": "1"}, {"X-Other": "1"}
token = {"Authorization": "Bearer of-the-page"}
call("listed header", "/app/x", read(), "GET", preflights=1, headers=one)
call("unlisted header", "/app/x", BLOCKED, preflights=1, headers=other)
call("one of each", "/app/x", BLOCKED, preflights=1, headers={**one, **other})
call("any header", "/public/x", read("ok", 200, "x-hidden"), "GET", preflights=1, headers=other)
call(
    "Authorization",
    "/app/x",
    read(),
    "GET",
    preflights=1,
    headers=token,
    authorization=b"Bearer of-the-page",
)
call("Authorization by *", "/public/x", BLOCKED, preflights=1, headers=token)

# Cookies.
with_cookies: dict[str, Any] = {"credentials": "include"}
call("cookies", "/cookies/x", read(), "GET", cookie=True, **with_cookies)
call(
    "cookies with PUT",
    "/cookies/x",
    read(),
    "PUT",
    preflights=1,
    cookie=True,
    **put,
    **with_cookies,
)
call("no cookies", "/cookies/x", read(), "GET", credentials="omit")
call("cookies by default", "/cookies/x", read(), "GET")
call("cookies not allowed", "/app/x", BLOCKED, "GET", cookie=True, **with_cookies)
call("cookies not allowed, PUT", "/app/x", BLOCKED, preflights=1, **put, **with_cookies)
call("cookies and *", "/public/x", BLOCKED, "GET", cookie=True, **with_cookies)
call(
    "anything with cookies",
    "/echo/x",
    {"status": 200, "headers": [], "body": "ok"},
    "COPY",
    preflights=1,
    cookie=True,
    method="COPY",
    headers=other,
    **with_cookies,
)
call(
    "anything with cookies but Authorization",
    "/echo/x",
    BLOCKED,
    preflights=1,
    headers=token,
    **with_cookies,
)

# The gate's credentials.
call("guarded GET", "/guarded/x", read(), "GET", cookie=True, **with_cookies)
call("guarded PUT", "/guarded/x", read(), "PUT", preflights=1, **put)
call("challenge withheld", "/guarded/401", read(status=401), "GET", cookie=True, **with_cookies)
call(
    "challenge let through",
    "/cookies/401",
    read("ok", 401, "www-authenticate"),
    "GET",
    credentials="omit",
)

# Errors that the gate makes.
call("405", "/few/x", made_here(405), preflights=1, method="DELETE")
call("413", "/small/x", made_here(413), method="POST", body="x" * 11)
call("502", "/gone/x", made_here(502))
call("502 with PUT", "/gone/x", made_here(502), preflights=1, **put)
call("404 on no route", "/nowhere/x", BLOCKED)
call("preflight on no route", "/nowhere/x", BLOCKED, preflights=1, **put)
call("no policy", "/bare/x", BLOCKED, "GET")
call("no policy, credentials", "/sealed/x", BLOCKED)

# Redirects.
call("302", "/app/302", read(redirected=True), "GET", "GET")
call("307 with PUT", "/app/307", read(redirected=True), "PUT", "PUT", preflights=2, **put)
call("302 elsewhere", "/app/away", BLOCKED, "GET")
call(
    "302 not followed",
    "/app/302",
    {"type": "opaqueredirect", "status": 0},
    "GET",
    redirect="manual",
)

# Without CORS: the page asks to read nothing.
call("no-cors GET", "/app/x", OPAQUE, "GET", mode="no-cors")
call("no-cors POST", "/app/x", OPAQUE, "POST", mode="no-cors", method="POST", body="text")
call("same-origin mode", "/app/x", BLOCKED, mode="same-origin")
call("image", "/app/image.gif", LOADED, "GET", call="img", cookie=True)
call("image by CORS", "/app/image.gif", LOADED, "GET", call="img", crossOrigin="anonymous")
call("guarded image", "/guarded/image.gif", LOADED, "GET", call="img", cookie=True)
call(
    "guarded image, no Referer",
    "/guarded/image.gif",
    BLOCKED,
    call="img",
    referrerPolicy="no-referrer",
)
call("guarded form", "/guarded/x", LOADED, "POST", call="form", method="post", cookie=True)

# Frames, and what may be one. None has an Origin; Referer tells whose it is.
for kind in FRAMES:
    call(f"guarded {kind}", "/guarded/x", LOADED, "GET", call=kind, cookie=True)
call(
    "guarded iframe, no Referer", "/guarded/x", LOADED, call="iframe", referrerPolicy="no-referrer"
)
call("sealed iframe", "/sealed/x", LOADED, call="iframe")

# XMLHttpRequest.
call("XHR GET", "/app/x", read(), "GET", call="xhr")
call("XHR PUT", "/app/x", read(), "PUT", call="xhr", preflights=1, **put)
call("XHR with cookies", "/cookies/x", read(), "GET", call="xhr", cookie=True, credentials=True)
call(
    "XHR, cookies not allowed", "/app/x", BLOCKED, "GET", call="xhr", cookie=True, credentials=True
)
call("XHR, unlisted header", "/app/x", BLOCKED, call="xhr", preflights=1, headers=other)
# Whoever listens to an upload could tell by it that a server is there (XHR #the-send()-method).
upload: dict[str, Any] = {"method": "POST", "body": "text", "upload": True}
call("XHR with upload listener", "/app/x", read(), "POST", call="xhr", preflights=1, **upload)

# Streams.
call("events", "/app/events", HEARD, "GET", call="eventsource")
call(
    "events with cookies",
    "/cookies/events",
    HEARD,
    "GET",
    call="eventsource",
    cookie=True,
    withCredentials=True,
)
call(
    "events, cookies not allowed",
    "/app/events",
    BLOCKED,
    "GET",
    call="eventsource",
    cookie=True,
    withCredentials=True,
)
call("guarded events", "/guarded/events", HEARD, "GET", call="eventsource")
call("events, 404", "/app/404", BLOCKED, "GET", call="eventsource")
call("socket", "/app/socket", GREETED, "GET", call="websocket", cookie=True)
call("guarded socket", "/guarded/socket", GREETED, "GET", call="websocket", cookie=True)
call("socket, no policy", "/bare/socket", GREETED, "GET", call="websocket", cookie=True)
call("socket, no policy, credentials", "/sealed/socket", BLOCKED, call="websocket")

# What the browser keeps of preflights: answers for one URL, for as long as max_age says.
twice, thrice = [put, put], ("PUT", "PUT", "PUT")
call("max_age 10m", "/kept/x", read(), *thrice, preflights=1, before=twice, **put)
call("max_age 0s", "/unkept/x", read(), *thrice, preflights=3, before=twice, **put)

# What it keeps of answers. Those of a public policy serve all; of others, what came without CORS
# is none for a page that asks by it: Vary says so.
plain: list[dict[str, Any]] = [{"mode": "no-cors"}]
shared = read("ok", 200, "x-hidden")
call("kept by Vary", "/app/fresh", read(), "GET", "GET", before=plain)
call("kept without Vary", "/public/fresh", shared, "GET", before=plain)
call("kept by CORS", "/app/fresh", read(), "GET", before=[{}])
