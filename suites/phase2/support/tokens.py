"""Bearer tokens from the target's token endpoint (RFC 6749 4.4), never shown and never stored."""

import base64
import json
import math
import urllib.parse
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from dtc_cli.harness.suite import NOBODY, Answer, Blocked, Credential, NotApplicable, NotTested, Twin

LONG_S = 86_400.0
FORM = "application/x-www-form-urlencoded"


def bare(twin: Twin) -> Credential:
    """A caller without any credential.

    Raises:
        NotApplicable: where callers must show a client certificate, which is one (P3 8.2.3).
    """
    if twin.target.declares.get("mtls") and twin.target.rest_tls.cert is not None:
        raise NotApplicable("callers show a client certificate, which is a credential (declares.mtls)")
    return NOBODY


class Tokens:
    """The token endpoint of the target, and a token that was got there once."""

    def __init__(self, twin: Twin) -> None:
        self._twin = twin
        self._token: str | None = None
        self._lifetime_s = math.inf
        self._until: datetime | None = None

    def form(self) -> dict[str, str]:
        """The form of a sound token request.

        Raises:
            NotTested: when the target file names no client.
        """
        if self._twin.target.oauth is None:
            raise NotTested("the target file names no client (auth.oauth)")
        return {"grant_type": "client_credentials", **self._twin.credentials.oauth}

    def post(self, form: Mapping[str, str]) -> Answer:
        """POST a form to the token endpoint.

        Raises:
            NotTested: when the target file names no client.
        """
        oauth = self._twin.target.oauth
        if oauth is None:
            raise NotTested("the target file names no client (auth.oauth)")
        return self._twin.rest.post(
            "",
            url=oauth.token_url,
            content=urllib.parse.urlencode(form).encode(),
            headers={"Content-Type": FORM},
            as_=NOBODY,
        )

    def bearer(self) -> Credential:
        """A valid token as a credential.

        Raises:
            Blocked: by DTC-P2-090 when the endpoint gives none.
        """
        return self.credential(self.text())

    def text(self) -> str:
        """A valid token: one that was got before, while half of its life is not over."""
        if self._token is None or (self._until is not None and self._twin.clock.now() > self._until):
            answer = self.post(self.form())
            body = answer.json() if answer.ok and answer.is_json else None
            found = body.get("access_token") if isinstance(body, dict) else None
            if not isinstance(found, str) or not found:
                raise Blocked("DTC-P2-090", f"the token endpoint gives no token (status {answer.status})")
            self._token = found
            life = body.get("expires_in") if isinstance(body, dict) else None
            if isinstance(life, int | float) and not isinstance(life, bool) and 0 < life < LONG_S:
                self._lifetime_s = life
                self._until = self._twin.clock.now() + timedelta(seconds=life / 2)
        return self._token

    def lifetime_s(self) -> float:
        """For how many seconds tokens are valid; infinite for days, and where nothing is told."""
        self.text()
        return self._lifetime_s

    def credential(self, text: str, name: str = "token") -> Credential:
        """A token as a credential; it is registered for redaction before it is sent (D-15)."""
        if text:
            self._twin.credentials.key_text(text, name)
        return Credential(name, {"Authorization": f"Bearer {text}"})

    def spoilt(self, how: str) -> Credential:
        """A token that the target must refuse, made from a valid one."""
        valid = self.text()
        texts = {
            "shorter": valid[:-2],
            "longer": valid + "xx",
            "other-case": valid.swapcase(),
            "made-up": "x.y.z",
            "opaque": "dtc-no-such-token-0123456789",
            "unsigned": _unsigned(valid),
            "changed-content": _changed(valid),
        }
        if texts[how] == valid:
            raise NotApplicable(f"the token has no variant {how}")
        return self.credential(texts[how], f"token-{how}")


def _unsigned(token: str) -> str:
    """The claims of a JWT under the algorithm none, or a made-up JWT of that kind."""
    parts = token.split(".")
    claims = parts[1] if len(parts) == 3 else _part({"sub": "admin", "exp": 4102444800})
    return f"{_part({'alg': 'none', 'typ': 'JWT'})}.{claims}."


def _changed(token: str) -> str:
    """A JWT with other claims under the old signature; another text where the token is no JWT."""
    parts = token.split(".")
    if len(parts) != 3:
        return "0" + token[1:] if token[0] != "0" else "1" + token[1:]
    try:
        claims: Any = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        claims = {}
    changed = {**(claims if isinstance(claims, dict) else {}), "sub": "somebody-else", "scope": "admin"}
    return f"{parts[0]}.{_part(changed)}.{parts[2]}"


def _part(value: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
