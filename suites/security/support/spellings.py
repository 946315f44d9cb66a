"""Paths that gateways, routers and file systems read differently, as they are sent."""

import re

from dtc_cli.harness.suite import Twin
from suites.security.support.requests import base_path

PATHS = {
    "doubled-slash": "/{base}{rest}",
    "doubled-inside": "{base}//{rest_bare}",
    "dot-segment": "{base}/.{rest}",
    "encoded-dot": "{base}/%2e{rest}",
    "up-and-down": "{base}/x/..{rest}",
    "encoded-up": "{base}/x/%2e%2e{rest}",
    "encoded-twice": "{base}/x/%252e%252e{rest}",
    "trailing-slash": "{base}{rest}/",
    "trailing-dot": "{base}{rest}/.",
    "encoded-letter": "{base}/%63ities{rest_tail}",
    "letter-encoded-twice": "{base}/%2563ities{rest_tail}",
    "encoded-slash": "{base}%2f{rest_bare}",
    "upper-case": "{base}/CITIES{rest_tail}",
    "upper-case-base": "{upper_base}{rest}",
    "parameter": "{base}/cities;a=b{rest_tail}",
    "parameter-at-the-end": "{base}{rest};.css",
    "parameter-and-up": "{base}/x/..;{rest}",
    "suffix": "{base}{rest}.json",
    "below-health": "/health/..{base}{rest}",
    "below-health-with-parameter": "/health/..;{base}{rest}",
    "below-docs": "/docs/..{base}{rest}",
    "null-byte": "{base}{rest}%00",
    "blank": "{base}{rest}%20",
    "absolute-form": "http://{host}{base}{rest}",
    "query-of-health": "{base}{rest}?path=/health",
    "debug": "{base}{rest}?debug=true&debug=1",
    "admin": "{base}{rest}?admin=true&role=admin&authenticated=true",
    "backslash": "{base}\\\\{rest_bare}",
    "older-version": "{older}{rest}",
    "newer-version": "{newer}{rest}",
    "no-version": "{versionless}{rest}",
    "internal": "/internal{base}{rest}",
}
_VERSION = re.compile(r"/v\d+(?=/|$)")


def target_of(twin: Twin, path: str, pattern: str = "{base}{rest}") -> str:
    """The request target for a path below the base, spelled like that.

    Args:
        twin: the target.
        path: the path, with `{city}` for the city of the run.
        pattern: one of `PATHS`.
    """
    base = base_path(twin)
    rest = path.replace("{city}", twin.rest.city)
    door = twin.raw.doors["rest"]
    return pattern.format(
        base=base,
        upper_base=base.upper() or "",
        older=_VERSION.sub("/v0", base),
        newer=_VERSION.sub("/v2", base),
        versionless=_VERSION.sub("", base),
        rest=rest,
        rest_bare=rest.removeprefix("/"),
        rest_tail=rest.removeprefix("/cities"),
        host=f"{door.host}:{door.port}",
    )
