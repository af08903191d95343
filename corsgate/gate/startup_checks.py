"""Checks what a configuration needs of this machine, before anything is opened."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from stat import S_ISCHR, S_ISDIR, S_ISFIFO, S_ISREG
from typing import Any

from twisted.internet.endpoints import serverFromString

from corsgate.config.model.endpoint import files_of, handed_over, is_handed_over
from corsgate.config.model.oauth2 import OAuth2Credentials
from corsgate.config.model.rules import show
from corsgate.config.model.values import Config
from corsgate.config.toml.lines import Path, key_text, line_of
from corsgate.credentials.oauth2.request import token_server
from corsgate.errors import BadValue, ConfigError, Fault
from corsgate.server.alpn import HTTP1
from corsgate.server.tls import CertificateTable
from corsgate.transport.files import check_regular
from corsgate.transport.inherited import InheritedSocket, find_socket, inherited_sockets
from corsgate.upstream.fetch import as_upstream
from corsgate.upstream.tls import check_ciphers_here, creators

_LOG_FIX = "name a file that the daemon may write"


def preflight(
    config: Config, *, reactor: Any, file: str, lines: Mapping[Path, int] | None = None
) -> None:
    """Reject a well-formed configuration that can't be served here.

    This opens no port and creates no file. So a port in use is only found when the gate starts.

    Args:
        config: The configuration.
        reactor: The reactor with which its endpoints would listen.
        file: The configuration's name in faults.
        lines: The line of each key, from `key_lines`; None if there is no file.

    Raises:
        ConfigError: With all faults, in the order of their lines.
    """
    known = lines or {}
    faults: list[Fault] = []

    def attempt(path: Path, make: Callable[[], object]) -> bool:
        try:
            make()
            return True
        except BadValue as error:
            faults.append(
                Fault(
                    file=file,
                    line=line_of(known, path),
                    key=key_text(path) if lines is not None else _option(path),
                    problem=error.problem,
                    fix=error.fix,
                )
            )
            return False

    sockets, taken = inherited_sockets(reactor), set[object]()
    for number, listener in enumerate(config.listeners):
        where = listener_path(known, number)
        text, certificates = listener.endpoint, listener.certificates
        at = where if where[0] == "listen" else (*where, "endpoint")
        if attempt(at, partial(check_endpoint_here, text, reactor)) and is_handed_over(text):
            attempt(at, partial(_take, text, sockets, taken))
        if certificates:
            attempt((*where, "certificates"), partial(CertificateTable, certificates, (HTTP1,)))
    for name, upstream in config.upstreams.items():
        templates = [each.template for each in upstream.discovered]
        servers = [*upstream.servers, *templates]
        place = ("upstreams", name)
        if attempt((*place, "tls", "ciphers"), partial(check_ciphers_here, upstream.tls)):
            attempt(place, partial(creators, upstream, servers))
        for part in upstream.credential_parts:
            if isinstance(part, OAuth2Credentials):
                attempt((*place, "credentials"), partial(check_oauth2_here, part))
    attempt(("access_log",), partial(check_access_log, config.access_log))
    if faults:
        raise ConfigError(sorted(faults, key=lambda fault: fault.line or 0), config.warnings)


def check_endpoint_here(text: str, reactor: Any) -> None:
    """Reject an endpoint string from which Twisted, with its plugins, can't make an endpoint.

    Args:
        text: A string that `corsgate.config.model.endpoint.check_endpoint` accepts.
        reactor: The reactor with which the endpoint would listen.

    Raises:
        BadValue: Twisted can't.
    """
    if is_handed_over(text):
        # No socket unit starts `corsgate check`. A gate without one fails when it starts.
        if sockets := inherited_sockets(reactor):
            find_socket(text, sockets)
        return
    for name in files_of(text):
        try:
            for each in _pem_files(name) if text.lower().startswith("tls:") else (name,):
                check_regular(each)
        except FileNotFoundError:
            break  # Twisted has a better message.
        except OSError as error:
            raise BadValue(
                f"{error.filename!r}, which {text!r} names, can't be read: {error.strerror}",
                "name a file that this user can read",
            ) from None
    try:
        serverFromString(reactor, text)
    except Exception as error:
        # An endpoint's parser may raise any exception for bad arguments.
        reason = str(error) or type(error).__name__
        raise BadValue(
            f"Twisted can't listen on {text!r}: {reason}", "use the syntax of Twisted's endpoints"
        ) from None


def _take(text: str, sockets: Sequence[InheritedSocket], taken: set[object]) -> None:
    """Reject a socket from systemd that another listener also uses."""
    wanted = handed_over(text)
    found = find_socket(text, sockets).index if sockets else (wanted.name, wanted.index)
    if found in taken:
        raise BadValue(
            f"{text!r} names the socket of another listener", "remove one of the two listeners"
        )
    taken.add(found)


def _pem_files(directory: str) -> list[str]:
    """Return the files in a directory that Twisted would read as certificates."""
    return [os.path.join(directory, name) for name in os.listdir(directory) if name[-4:] == ".pem"]


def check_oauth2_here(credentials: OAuth2Credentials) -> None:
    """Reject OAuth2 credentials whose files or certificates can't be used here.

    The gate's permission to write is not checked, because it may change its user after this.

    Args:
        credentials: The credentials.

    Raises:
        BadValue: The folder of ``token_file`` is missing, or OpenSSL refuses a certificate.
    """
    outside = as_upstream(token_server(credentials))
    creators(outside, outside.servers)
    path = credentials.token_file
    if path is None:
        return
    folder = os.path.dirname(path) or "/"
    if not os.path.isdir(folder):
        raise BadValue(
            f"{show(path)} can't be stored: directory {folder} does not exist",
            "create the directory",
        )
    if os.path.exists(path) and not os.path.isfile(path):
        raise BadValue(f"{show(path)} is not a file", "name a file that the daemon may replace")


def check_access_log(access_log: str | None) -> None:
    """Reject an access log that can't be opened; don't create it.

    Args:
        access_log: A path, or another value of `access_log`.

    Raises:
        BadValue: It can't be opened.
    """
    if access_log in (None, "-", "off"):
        return
    problem = None
    directory = os.path.dirname(access_log) or "."
    try:
        mode = os.stat(access_log).st_mode
        if S_ISDIR(mode):
            problem = "Is a directory"
        elif not (S_ISREG(mode) or S_ISCHR(mode) or S_ISFIFO(mode)):
            problem = "it is not a file"
        elif not os.access(access_log, os.W_OK):
            problem = "Permission denied"
    except FileNotFoundError:
        if not os.path.isdir(directory):
            problem = f"directory {directory!r} does not exist"
        elif not os.access(directory, os.W_OK | os.X_OK):
            problem = f"directory {directory!r} is not writable"
    except OSError as error:
        problem = error.strerror
    if problem is not None:
        raise BadValue(f"{access_log!r} can't be opened: {problem}", _LOG_FIX)


def listener_path(lines: Mapping[Path, int], number: int) -> Path:
    """Return the key of a listener: those in ``listen`` come first, then the tables.

    Args:
        lines: What `key_lines` returned; empty if there is no file.
        number: Its index in `Config.listeners`.
    """
    listed = sum(1 for path in lines if len(path) == 2 and path[0] == "listen")
    if number < listed or not lines:
        return ("listen", number)
    return ("listener", number - listed)


def _option(path: Path) -> str:
    """Return the command line option for a key if there is no file."""
    return {"listen": "--listen", "upstreams": "--upstream"}.get(str(path[0]), str(path[0]))
