"""Bills of materials in a package: of the suite that judged, and of the product as it was given."""

import hashlib
import json
import re
import uuid
from importlib import metadata
from pathlib import Path
from typing import Any

from dtc_cli import __version__
from dtc_cli.errors import DtcError

FOLDER = "sbom"
SUITE = "suite.cdx.json"
CYCLONEDX, SPDX = "target.cdx.json", "target.spdx.json"
NAMES = (SUITE, CYCLONEDX, SPDX)
MAX_BYTES = 16 * 1024**2
SPEC_VERSION = "1.5"  # P4 asks for CycloneDX 1.5 or SPDX 2.3
_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def suite(name: str = "dtc") -> bytes:
    """The CycloneDX 1.5 bill of the program that judged: all installed packages that it needs, with versions.

    The same installation gives the same bytes: there is no time in it, and its serial number is a function of
    the content.
    """
    found = _closure(name)
    components = [_component(each) for each in sorted(found) if each != name]
    document: dict[str, Any] = {
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPEC_VERSION,
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": name,
                "name": name,
                "version": __version__,
                "purl": f"pkg:pypi/{name}@{__version__}",
            }
        },
        "components": components,
        "dependencies": [{"ref": each, "dependsOn": sorted(found[each])} for each in sorted(found)],
    }
    digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).digest()
    document["serialNumber"] = f"urn:uuid:{uuid.UUID(bytes=digest[:16], version=4)}"
    return json.dumps(document, indent=1, sort_keys=True).encode() + b"\n"


def target(path: Path) -> tuple[str, bytes]:
    """The product's bill as it lies in a file, and its name in the package.

    Raises:
        DtcError: `sbom` when it is neither CycloneDX (1.4 or newer) nor SPDX 2.3 in JSON, or too large.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
        value = json.loads(data)
    except OSError as problem:
        raise _broken(path, problem.strerror or str(problem)) from problem
    except (ValueError, RecursionError) as problem:
        raise _broken(path, f"it is no JSON: {problem}") from problem
    if len(data) > MAX_BYTES:
        raise _broken(path, f"it is larger than {MAX_BYTES // 1024**2} MiB")
    if isinstance(value, dict) and value.get("bomFormat") == "CycloneDX":
        if value.get("specVersion") not in ("1.4", "1.5", "1.6", "1.7"):
            raise _broken(path, f"CycloneDX {value.get('specVersion')} is not 1.4 or newer")
        return CYCLONEDX, data
    if isinstance(value, dict) and value.get("spdxVersion") == "SPDX-2.3":
        return SPDX, data
    raise _broken(path, "it is neither CycloneDX nor SPDX 2.3")


def write(run: Path, given: Path | None) -> None:
    """Lay the bills of a run into its folder, from where they go into the package.

    Raises:
        DtcError: `sbom`, as `target`.
    """
    folder = run / FOLDER
    folder.mkdir(exist_ok=True)
    (folder / SUITE).write_bytes(suite())
    if given is not None:
        name, data = target(given)
        (folder / name).write_bytes(data)


def _closure(root: str) -> dict[str, set[str]]:
    """Installed packages that the root needs, directly or not, each with what it needs itself."""
    found: dict[str, set[str]] = {}
    pending = [root]
    while pending:
        name = pending.pop()
        if name in found:
            continue
        found[name] = set()
        try:
            needs = metadata.distribution(name).requires or []
        except metadata.PackageNotFoundError:
            continue
        for text in needs:
            match = _REQUIREMENT.match(text)
            if match is None or "extra ==" in text:
                continue
            other = _normal(match[0])
            if _installed(other):
                found[name].add(other)
                pending.append(other)
    return found


def _component(name: str) -> dict[str, Any]:
    facts = metadata.distribution(name).metadata
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": name,
        "name": name,
        "version": facts["Version"],
        "purl": f"pkg:pypi/{name}@{facts['Version']}",
    }
    if "License-Expression" in facts:
        component["licenses"] = [{"expression": facts["License-Expression"]}]
    return component


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _broken(path: Path, why: str) -> DtcError:
    return DtcError(
        "sbom",
        f"the bill of materials {path.name} cannot be used",
        where=f"{path} (sbom: in the target file)",
        why=why,
        hint="CycloneDX 1.5 or SPDX 2.3 in JSON; most build tools write one",
    )
