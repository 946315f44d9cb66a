"""What of a target file the evidence keeps, so that a run can be judged again without file and secrets."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dtc_cli.core.target import OAuth, Secret, Signing, Target, Validator

STAND_IN = "dtc-stand-in-for-the-{}-credential-0"
"""A secret in a replay. It is redacted under the name of the real one, so both leave the same evidence."""

SIGNING_STAND_IN = "00" * 32
"""A signing key in a replay: 32 bytes in hex, so that it serves for either algorithm."""

CLIENT = ("client_id", "client_secret")


def shape(target: Target, secrets: Mapping[str, str]) -> dict[str, Any]:
    """The target file as JSON, each secret reduced to its letter case.

    The case is kept because what a suite makes of a key (all upper case, say) may be the key itself.

    Args:
        target: the parsed file.
        secrets: the resolved secrets by name: a role, `client_id` or `client_secret`.
    """
    return {
        "city": target.city,
        "baseUrl": target.base_url,
        "timeoutS": target.timeout_s,
        "otherCity": target.other_city,
        "streamUrl": target.stream_url,
        "mqttUrl": target.mqtt_url,
        "roles": {role: _case(secrets[role]) for role in target.api_keys},
        "tokenUrl": target.oauth.token_url if target.oauth else None,
        # A list: the redactor blanks members that are named after a secret.
        "client": [_case(secrets[name]) for name in CLIENT] if target.oauth else [],
        "signing": [target.signing.algorithm, target.signing.key_id] if target.signing else [],
        "limits": json.dumps(dict(target.limits)),
        "documents": list(target.documents),
        "validator": target.validator is not None,
        "clientCommand": target.client is not None,
        "excluded": dict(target.excluded),
        "hazards": list(target.hazards),
        # Text: the log sorts members, and requests to provoke with are sent as the file has them.
        "declares": json.dumps(dict(target.declares)),
        "provoke": json.dumps({name: _without_command(given) for name, given in target.provoke.items()}),
    }


def restore(kept: Mapping[str, Any], run: Mapping[str, Any]) -> Target:
    """A target like the one that was judged, with stand-ins for its secrets, commands and certificates.

    Args:
        kept: what `shape` made.
        run: the members of run.json.

    Raises:
        KeyError: when a member is missing.
    """
    return Target(
        source="the recorded run",
        folder=Path(),
        name=run["target"]["name"],
        vendor=run["target"]["vendor"],
        version=run["target"]["version"],
        city=kept["city"],
        base_url=kept["baseUrl"],
        ca=None,
        timeout_s=kept["timeoutS"],
        api_keys={role: _stand_in(role, case) for role, case in kept["roles"].items()},
        oauth=OAuth(kept["tokenUrl"], *map(_stand_in, CLIENT, kept["client"])) if kept["client"] else None,
        other_city=kept["otherCity"],
        stream_url=kept["streamUrl"],
        mqtt_url=kept["mqttUrl"],
        documents=tuple(kept["documents"]),
        validator=Validator(command=("recorded", "{file}")) if kept["validator"] else None,
        client=("recorded",) if kept["clientCommand"] else None,
        excluded=kept["excluded"],
        hazards=tuple(kept["hazards"]),
        declares=json.loads(kept["declares"]),
        provoke=json.loads(kept["provoke"]),
        signing=_signing(kept.get("signing")),
        limits=json.loads(kept.get("limits", "{}")),
        lines={},
    )


def _signing(kept: list[str] | None) -> Signing | None:
    return Signing(kept[0], kept[1], Secret("literal", SIGNING_STAND_IN)) if kept else None


def _without_command(given: Any) -> Any:
    """A request stays; of a command only that there is one: a replay runs none, whoever made the evidence."""
    if not isinstance(given, dict):
        return {"command": []}
    return {**given, "command": []} if "command" in given else given


def _case(secret: str) -> str:
    if secret == secret.lower():
        return "none" if secret == secret.upper() else "lower"
    return "upper" if secret == secret.upper() else "mixed"


def _stand_in(name: str, case: str) -> Secret:
    text = STAND_IN.format(name)
    made = {
        "lower": text,
        "upper": text.upper(),
        "mixed": text.title(),
        "none": "0" + "-".join(str(ord(letter)) for letter in text),
    }
    return Secret("literal", made[case])
