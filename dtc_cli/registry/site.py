"""The register as a web site of plain files that opens from disk: what is certified, until when, by what."""

import base64
import hashlib
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from dtc_cli.registry import entry, log
from dtc_cli.registry.entry import Certificate, Entry
from dtc_cli.registry.log import Log
from dtc_cli.registry.office import BADGE, CERTIFICATE, PROOF
from dtc_cli.reports.html.markup import table, text
from dtc_cli.signing.refusal import Refusal

STYLE = """
:root { color-scheme: light dark; --page: #fff; --ink: #1b2230; --line: #d5d9e0; --soft: #4d5768;
  --link: #0b57b0; }
@media (prefers-color-scheme: dark) { :root {
  --page: #12161d; --ink: #e7ebf2; --line: #38414f; --soft: #b0bac9; --link: #8ab8ff; } }
body { margin: 0 auto; max-width: 76rem; padding: 1rem 1.25rem; background: var(--page); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; }
a { color: var(--link); } code { overflow-wrap: anywhere; }
.scroll { overflow-x: auto; } .scroll:focus-visible { outline: 3px solid var(--link); }
table { border-collapse: collapse; width: 100%; } caption { text-align: left; color: var(--soft); }
th, td { text-align: left; padding: .4rem .8rem .4rem 0; vertical-align: top;
  border-bottom: 1px solid var(--line); }
img { max-width: 100%; height: auto; background: #fff; border-radius: 10px; }
"""


def build(folder: Path, found: Log, out: Path, now: datetime) -> list[Path]:
    """Write `index.html`, and per certificate its files; returns what was written.

    Raises:
        Refusal: when a certificate's file is missing.
        DtcError: `not-written`.
    """
    register = entry.derive(found.entries)
    held = sorted(register.certificates.values(), key=lambda each: (each.issued.target, each.issued.at))
    written = [out / "index.html"]
    for each in held:
        for name in (CERTIFICATE, BADGE, PROOF):
            source = folder / "certificates" / each.id / name
            if not source.is_file():
                raise Refusal(f"{each.id}/{name} is missing")
            written.append(out / each.id / name)
            log.write(written[-1], source.read_bytes())
    log.write(written[0], _page(found, held, entry.abandoned(register, now), now).encode())
    for name in (log.CHECKPOINT, log.ABOUT):
        written.append(out / name)
        log.write(written[-1], (folder / name).read_bytes())
    return written


def _page(found: Log, held: list[Certificate], abandoned: tuple[Entry, ...], now: datetime) -> str:
    style = "sha256-" + base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    name = text(found.about.name)
    runs = [each for each in found.entries if each.type == "register"]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src 'self' file:; "
        f"style-src '{style}'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Register of {name}</title><style>{STYLE}</style></head><body><main>"
        f"<h1>Register of {name}</h1>"
        f"<p>As of {entry.text(now)}. {len(found.entries)} entries in the log "
        f"<code>{text(found.about.origin)}</code>, root <code>{found.checkpoint.root.hex()}</code>.</p>"
        + _certificates(held, now)
        + _runs(runs)
        + _abandoned(abandoned)
        + "<h2>Check it yourself</h2><p>This page proves nothing; its files do. <code>dtc certificate show "
        "certificate.vc.jwt --trust KEY --registry FOLDER</code> checks a certificate, <code>dtc registry "
        "verify FOLDER</code> the whole log, <code>dtc registry monitor FOLDER</code> that no history was "
        "rewritten since you looked last. The key has to come to you on another way than this page.</p>"
        "</main></body></html>\n"
    )


def _certificates(held: list[Certificate], now: datetime) -> str:
    if not held:
        return "<h2>Certificates</h2><p>None was issued yet.</p>"
    rows = "".join(_row(each, now) for each in held)
    columns = ["Product", "Level", "State", "Valid until", "Recheck due", "Evidence", "Badge"]
    return "<h2>Certificates</h2>" + table(
        "Certificates and their state today.", columns, f"<tbody>{rows}</tbody>"
    )


def _row(each: Certificate, now: datetime) -> str:
    said = each.issued
    product = f"{said.target} {said.product_version}"
    reason = each.revoked or each.suspended or ""
    state = each.state(now) + (f": {reason}" if reason else "")
    alt = f"Badge: {said.level} certificate of {product}"
    files = ", ".join(
        f'<a href="{each.id}/{name}">{label}</a>'
        for name, label in ((CERTIFICATE, "certificate"), (PROOF, "proof of entry"))
    )
    return (
        f'<tr><th scope="row">{text(product)}<br>{text(said.vendor)}, {text(said.city)}</th>'
        f"<td>{text(said.level)}</td><td>{text(state)}</td><td>{text(said.not_after[:10])}</td>"
        f"<td>{each.recheck_due:%Y-%m-%d}</td><td><code>{said.statement}</code><br>{files}</td>"
        f'<td><img src="{each.id}/{BADGE}" alt="{text(alt)}" width="240" height="72"></td></tr>'
    )


def _runs(runs: list[Entry]) -> str:
    if not runs:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{text(each.run_id)}</th><td>{text(each.target)} '
        f"{text(each.product_version)}</td><td>{text(each.level)}</td><td>{text(each.verdict)}</td><td>{text(each.run_finished)}</td></tr>"
        for each in runs
    )
    columns = ["Run", "Product", "Level claimed", "Verdict", "Ended"]
    return "<h2>Runs, passed and failed</h2>" + table(
        "Every registered run.", columns, f"<tbody>{rows}</tbody>"
    )


def _abandoned(found: Iterable[Entry]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{text(each.target)}</th><td>{text(each.vendor)}</td>'
        f"<td>{text(each.at)}</td></tr>"
        for each in found
    )
    if not rows:
        return ""
    said = "A nonce was asked for and no run followed in time: its result was never shown."
    return "<h2>Abandoned runs</h2>" + table(said, ["Product", "Asked by", "Asked"], f"<tbody>{rows}</tbody>")
