"""All that is known of what policies must and should be like, as the configuration asks for it."""

from __future__ import annotations

from corsgate.config.sections.policies import CorsRules
from corsgate.cors.faults import faults, route_faults
from corsgate.cors.warnings import route_warnings, warnings

CORS_RULES = CorsRules(
    faults=faults, warnings=warnings, route_faults=route_faults, route_warnings=route_warnings
)
"""What a reader of configurations is to be given."""
