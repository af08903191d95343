"""HAR files as Chromium and Firefox write them, cut to what matters."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

PAGE = "http://localhost:4200"
BOX = "http://localhost:8000/v1/documents"


def fields(values: Mapping[str, str]) -> list[dict[str, str]]:
    """Return fields as a HAR has them."""
    return [{"name": name, "value": value} for name, value in values.items()]


def entry(
    method: str = "GET",
    url: str = BOX,
    sent: Mapping[str, str] | None = None,
    status: int = 200,
    came: Mapping[str, str] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Return one entry; `more` are members of its response."""
    return {
        "request": {
            "method": method,
            "url": url,
            "headers": fields({"Origin": PAGE, "Sec-Fetch-Mode": "cors", **(sent or {})}),
        },
        "response": {"status": status, "headers": fields(came or {}), **more},
    }


def preflight(
    came: Mapping[str, str],
    status: int = 204,
    method: str = "PUT",
    names: str = "",
    url: str = BOX,
) -> dict[str, Any]:
    """Return the entry of a preflight."""
    sent = {"Access-Control-Request-Method": method}
    if names:
        sent["Access-Control-Request-Headers"] = names
    return entry("OPTIONS", url, sent, status, came)


def har(*entries: Any) -> str:
    """Return a HAR file."""
    return json.dumps({"log": {"version": "1.2", "entries": list(entries)}})
