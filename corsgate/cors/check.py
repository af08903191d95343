"""The checks of policies and of routes with a policy, as the configuration reader expects them."""

from __future__ import annotations

from corsgate.config.sections.policies import CorsRules
from corsgate.cors.faults import faults, injection_faults, route_faults
from corsgate.cors.warnings import account_warnings, route_warnings, warnings

CORS_RULES = CorsRules(
    faults=faults,
    warnings=warnings,
    route_faults=route_faults,
    injection_faults=injection_faults,
    route_warnings=route_warnings,
    account_warnings=account_warnings,
)
"""The rules to pass to the configuration reader."""
