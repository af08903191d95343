"""How to allow a call in Traefik, Spring, FastAPI, Django and ASP.NET Core."""

from __future__ import annotations

from corsgate.explain.wanted import Wanted

_DJANGO_METHODS = frozenset(("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"))
_DJANGO_HEADERS = frozenset(
    (
        *("accept", "authorization", "content-type", "user-agent", "x-csrftoken"),
        "x-requested-with",
    )
)
"""The headers that django-cors-headers allows by default."""


def traefik(want: Wanted, _needs_preflight: bool) -> str:
    """Return a headers middleware, as YAML (doc.traefik.io: Headers, CORS Headers)."""
    lines = [
        *("http:", "  middlewares:", "    cors:", "      headers:"),
        f'        accessControlAllowOriginList: ["{want.origin}"]',
        f'        accessControlAllowMethods: ["{want.method}"]',
    ]
    if want.headers:
        lines.append(f"        accessControlAllowHeaders: [{_quoted(want.headers)}]")
    if want.credentials:
        lines.append("        accessControlAllowCredentials: true")
    return "\n".join([*lines, "        addVaryHeader: true"])


def spring(want: Wanted, _needs_preflight: bool) -> str:
    """Return a configurer for Spring MVC, which refuses methods that are not listed."""
    methods = dict.fromkeys(("GET", "HEAD", "POST", want.method))
    lines = [
        *("@Configuration", "class CorsConfig implements WebMvcConfigurer {", "    @Override"),
        "    public void addCorsMappings(CorsRegistry registry) {",
        f'        registry.addMapping("{_folder(want.path)}**")',
        f'            .allowedOrigins("{want.origin}")',
        f"            .allowedMethods({_quoted(', '.join(methods))})",
    ]
    if want.headers:
        lines.append(f"            .allowedHeaders({_quoted(want.headers)})")
    if want.credentials:
        lines.append("            .allowCredentials(true)")
    return "\n".join([*lines[:-1], f"{lines[-1]};", "    }", "}"])


def fastapi(want: Wanted, _needs_preflight: bool) -> str:
    """Return Starlette's middleware, which allows only GET by default."""
    lines = [
        "from starlette.middleware.cors import CORSMiddleware",
        "",
        "app.add_middleware(",
        "    CORSMiddleware,",
        f'    allow_origins=["{want.origin}"],',
        f'    allow_methods=["{want.method}"],',
    ]
    if want.headers:
        lines.append(f"    allow_headers=[{_quoted(want.headers)}],")
    if want.credentials:
        lines.append("    allow_credentials=True,")
    return "\n".join([*lines, ")"])


def django(want: Wanted, _needs_preflight: bool) -> str:
    """Return the settings of django-cors-headers."""
    lines = [
        "from corsheaders.defaults import default_headers, default_methods",
        "",
        'INSTALLED_APPS = ["corsheaders", ...]  # keep the present ones',
        "# before CommonMiddleware and all others that can respond:",
        'MIDDLEWARE = ["corsheaders.middleware.CorsMiddleware", ...]',
        f'CORS_ALLOWED_ORIGINS = ["{want.origin}"]',
    ]
    if want.method not in _DJANGO_METHODS:
        lines.append(f'CORS_ALLOW_METHODS = (*default_methods, "{want.method}")')
    others = [name for name in want.headers.split(", ") if name and name not in _DJANGO_HEADERS]
    if others:
        lines.append(f"CORS_ALLOW_HEADERS = (*default_headers, {_quoted(', '.join(others))})")
    if want.credentials:
        lines.append("CORS_ALLOW_CREDENTIALS = True")
    used = [name for name in ("default_headers", "default_methods") if f"*{name}" in str(lines)]
    first = [f"from corsheaders.defaults import {', '.join(used)}", ""] if used else []
    return "\n".join([*first, *lines[2:]])


def aspnet(want: Wanted, _needs_preflight: bool) -> str:
    """Return a default policy for ASP.NET Core's CORS middleware."""
    lines = [
        "builder.Services.AddCors(options => options.AddDefaultPolicy(policy => policy",
        f'    .WithOrigins("{want.origin}")',
        f'    .WithMethods("{want.method}")',
    ]
    if want.headers:
        lines.append(f"    .WithHeaders({_quoted(want.headers)})")
    if want.credentials:
        lines.append("    .AllowCredentials()")
    return "\n".join([*lines[:-1], f"{lines[-1]}));", "// ...", "app.UseCors();"])


def _quoted(names: str) -> str:
    return ", ".join(f'"{name}"' for name in names.split(", "))


def _folder(path: str) -> str:
    """Return the path up to its last slash."""
    return path[: path.rfind("/") + 1] or "/"
