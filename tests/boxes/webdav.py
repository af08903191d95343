"""WebDAV servers: Apache, lighttpd, nginx and wsgidav, each with one folder that can be written."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.apache import MODULES, UNPRIVILEGED
from tests.boxes.box import Box
from tests.boxes.installed import python
from tests.programs import missing, require

WEBDAV_OF_LIGHTTPD = Path("/usr/lib/lighttpd/mod_webdav.so")


class Dav(Box):
    """A WebDAV server without credentials.

    Attributes:
        files: The folder that it serves as ``/``.
    """

    locks = True
    """Whether it has LOCK and PROPFIND."""
    relative = True
    """Whether it takes a path for Destination, as RFC 4918 10.3 wants."""
    configuration = ""
    """Its file, with ``{home}`` and ``{port}``."""

    def prepare(self) -> None:
        """Make its folders, which an unprivileged worker can write to."""
        self.files = self.home / "files"
        (self.files / "sub").mkdir(parents=True)
        (self.home / "state").mkdir()
        if os.geteuid() == 0:
            for path in (self.home, *self.home.rglob("*")):
                shutil.chown(path, UNPRIVILEGED)

    def configured(self, port: int) -> str:
        """Write its file; return the path."""
        path = self.home / "server.conf"
        user = UNPRIVILEGED if os.geteuid() == 0 else ""
        text = self.configuration.replace("@HOME@", str(self.home)).replace("@PORT@", str(port))
        lines = [line for line in text.splitlines() if user or "@USER@" not in line]
        path.write_text("\n".join(lines).replace("@USER@", user) + "\n", "utf-8")
        return str(path)


class Apache(Dav):
    """Apache with mod_dav."""

    relative = False
    configuration = (
        "".join(
            f'LoadModule {name}_module "{MODULES}/mod_{name}.so"\n'
            for name in ("mpm_event", "authz_core", "dav", "dav_fs", "dir")
        )
        + """\
ServerRoot "@HOME@"
ServerName 127.0.0.1
Listen 127.0.0.1:@PORT@
User @USER@
Group @USER@
PidFile "@HOME@/state/pid"
DefaultRuntimeDir "@HOME@/state"
Mutex file:@HOME@/state default
ErrorLog /dev/stderr
DocumentRoot "@HOME@/files"
DavLockDB "@HOME@/state/locks"
StartServers 1
ServerLimit 1
ThreadsPerChild 8
ThreadLimit 8
MaxRequestWorkers 8
<Directory "@HOME@/files">
    Dav On
</Directory>
"""
    )

    def command(self, port: int) -> Sequence[str]:
        """Return what starts it."""
        program = require("apache2", "apache2")
        return [program, "-D", "FOREGROUND", "-f", self.configured(port)]


class Lighttpd(Dav):
    """lighttpd with mod_webdav."""

    configuration = """\
server.modules = ("mod_webdav")
server.bind = "127.0.0.1"
server.port = @PORT@
server.username = "@USER@"
server.groupname = "@USER@"
server.document-root = "@HOME@/files"
server.upload-dirs = ("@HOME@/state")
mimetype.assign = (".txt" => "text/plain")
webdav.activate = "enable"
webdav.sqlite-db-name = "@HOME@/state/locks.db"
"""

    def command(self, port: int) -> Sequence[str]:
        """Return what starts it."""
        if not WEBDAV_OF_LIGHTTPD.exists():
            missing(f"there is no {WEBDAV_OF_LIGHTTPD} here (Debian: lighttpd-mod-webdav)")
        return [require("lighttpd", "lighttpd"), "-D", "-f", self.configured(port)]


class Nginx(Dav):
    """nginx with its own DAV module, which has neither PROPFIND nor LOCK."""

    locks = False
    configuration = """\
daemon off;
pid @HOME@/state/pid;
error_log stderr;
user @USER@;
worker_processes 1;
events { worker_connections 64; }
http {
  access_log off;
  client_body_temp_path @HOME@/state/body;
  proxy_temp_path @HOME@/state/proxy;
  fastcgi_temp_path @HOME@/state/fastcgi;
  uwsgi_temp_path @HOME@/state/uwsgi;
  scgi_temp_path @HOME@/state/scgi;
  server {
    listen 127.0.0.1:@PORT@;
    root @HOME@/files;
    gzip on;
    gzip_types text/plain;
    gzip_min_length 100;
    location / {
      dav_methods PUT DELETE MKCOL COPY MOVE;
      create_full_put_path on;
    }
  }
}
"""

    def command(self, port: int) -> Sequence[str]:
        """Return what starts it."""
        return [require("nginx", "nginx-light"), "-c", self.configured(port), "-e", "stderr"]


class WsgiDav(Dav):
    """wsgidav on cheroot."""

    def command(self, port: int) -> Sequence[str]:
        """Return what starts it."""
        return [
            *(python(), "-m", "wsgidav.server.server_cli", "--host=127.0.0.1", f"--port={port}"),
            *(f"--root={self.files}", "--auth=anonymous", "--server=cheroot"),
        ]
