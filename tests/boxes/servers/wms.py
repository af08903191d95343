"""MapProxy with one layer at ``/geoserver``; the arguments: port, configuration."""

from __future__ import annotations

import sys
from typing import Any
from wsgiref.simple_server import make_server
from wsgiref.util import shift_path_info

from mapproxy.wsgiapp import make_wsgi_app

port, configuration = sys.argv[1:]
maps = make_wsgi_app(configuration)


def app(environ: dict[str, Any], start_response: Any) -> Any:
    """Serve the maps below the prefix."""
    if shift_path_info(environ) != "geoserver":
        start_response("404 Not Found", [])
        return [b"not here"]
    return maps(environ, start_response)


make_server("127.0.0.1", int(port), app).serve_forever()
