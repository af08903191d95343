"""Django's own administration site, whose login form is protected; the arguments: port, password.

A user without a right to a page is redirected to the login page, also after a login.
"""

from __future__ import annotations

import sys
from typing import Any

import django
from django.conf import settings
from django.core.management import call_command
from django.http import HttpRequest, HttpResponse

port, password = sys.argv[1:]
settings.configure(
    SECRET_KEY="of a test",
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["localhost", "127.0.0.1"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "database"}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    INSTALLED_APPS=[
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.messages",
        "django.contrib.sessions",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ]
            },
        }
    ],
)
django.setup()
# These need the settings.
from django.contrib import admin  # noqa: E402
from django.contrib.auth.decorators import permission_required  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.contrib.sessions.models import Session  # noqa: E402
from django.urls import path  # noqa: E402


def expire(request: HttpRequest) -> Any:
    """End all sessions."""
    return HttpResponse(Session.objects.all().delete()[0])


def forbidden(request: HttpRequest) -> Any:
    """Redirect to the login page, since the user has not got this right."""
    return HttpResponse("seen")


urlpatterns = [
    path("admin/", admin.site.urls),
    path("expire", expire),
    path("forbidden", permission_required("nobody.has", login_url="/admin/login/")(forbidden)),
]
call_command("migrate", verbosity=0)
User.objects.create_user("gate", password=password, is_staff=True)
call_command("runserver", f"127.0.0.1:{port}", "--noreload")
