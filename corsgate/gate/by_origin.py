"""Routes whose upstream has several accounts: the request's Origin chooses one."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING

from corsgate.config.model.by_origin import chosen
from corsgate.errors import TargetError

if TYPE_CHECKING:
    from corsgate.gate.compiled_route import CompiledRoute
    from corsgate.gate.upstream_runtime import UpstreamRuntime
    from corsgate.server.request import GateRequest
    from corsgate.shortcuts import Shortcuts

_NO_ORIGIN = "this route has no credentials for requests without an Origin"
_NOT_NAMED = "this route has no credentials for requests from this origin"


class Accounts:
    """The routes of one upstream, one for each account.

    Args:
        named: The routes of the configured origins.
        other: The route of all other requests; None if they are refused.
    """

    def __init__(self, named: Mapping[bytes, CompiledRoute], other: CompiledRoute | None) -> None:
        self._named = named
        self._other = other

    def route_for(self, request: GateRequest) -> CompiledRoute:
        """Return the route with the account for a request.

        Args:
            request: The request.

        Raises:
            TargetError: There is no account for the request.
        """
        origins = request.index.get(b"origin", ())
        route = chosen(self._named, self._other, origins)
        if route is None:
            raise TargetError(_NOT_NAMED if origins else _NO_ORIGIN)
        return route


def add_accounts(
    route: CompiledRoute, kinds: dict[Hashable, object], shortcuts: Shortcuts
) -> Sequence[CompiledRoute]:
    """Give a route the accounts of its upstream.

    Args:
        route: The route with the upstream's own credentials, if it has any.
        kinds: The kinds of routes, see `CompiledRoute`.
        shortcuts: Which shortcuts to take.

    Returns:
        That route, and one for each further account.
    """
    accounts = route.upstream.accounts
    if not accounts:
        return (route,)
    made = {id(each): _with_account(route, each, kinds, shortcuts) for each in accounts.values()}
    named = {origin: made[id(each)] for origin, each in accounts.items()}
    has_other = route.upstream.config.credentials is not None
    route.accounts = Accounts(named, route if has_other else None)
    return (route, *made.values())


def _with_account(
    route: CompiledRoute,
    account: UpstreamRuntime,
    kinds: dict[Hashable, object],
    shortcuts: Shortcuts,
) -> CompiledRoute:
    """Return a copy of a route that signs with another account, and shares everything else."""
    signer = account.credentials
    assert signer is not None, "an account has credentials"
    made = copy(route)
    made.upstream, made.guard = account, account.guard
    made.refusals = account.credential_refusals
    made.request_shape = route.request_shape.signed(signer.fixed or ())
    made.direct = shortcuts.direct and signer.fixed is not None
    # A different kind, so that what a connection remembers for one account isn't used for another.
    made.kind = kinds.setdefault((route.kind, id(account)), object())
    made.head_kind = object() if made.request_shape.by_route else made.kind
    return made
