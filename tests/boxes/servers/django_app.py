"""A Django site with protection against forged requests; the arguments: port, yes or no.

``yes`` has it take its own host from X-Forwarded-Host.
"""

from __future__ import annotations

import sys
from typing import Any

from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import HttpRequest, JsonResponse
from django.middleware.csrf import get_token
from django.urls import path

port, forwarded = sys.argv[1:]
settings.configure(
    SECRET_KEY="of a test",
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["localhost"],
    USE_X_FORWARDED_HOST=forwarded == "yes",
    MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware"],
)


def token(request: HttpRequest) -> Any:
    """Return the token, and set its cookie."""
    return JsonResponse({"token": get_token(request)})


def change(request: HttpRequest) -> Any:
    """Return what a change was."""
    return JsonResponse({"changed": request.body.decode()})


urlpatterns = [path("token", token), path("change", change)]
execute_from_command_line(["manage.py", "runserver", "--noreload", f"127.0.0.1:{port}"])
