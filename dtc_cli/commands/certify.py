"""`dtc certify`: judge a target, write the report, sign the package."""

import contextlib
import secrets
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dtc_cli import console
from dtc_cli.commands import signers
from dtc_cli.commands.keys import PassphraseEnv, PassphraseFile
from dtc_cli.commands.options import Json, LoadAgreed, LoadScale
from dtc_cli.commands.options import level as level_named
from dtc_cli.errors import DtcError, as_word
from dtc_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from dtc_cli.core.model import Level
    from dtc_cli.core.report import Report
    from dtc_cli.harness.runner import Previous, Run
    from dtc_cli.signing.dsse import Signer
    from dtc_cli.signing.passphrase import Passphrase
    from dtc_cli.signing.seal import Sealer

    Sealing = contextlib.AbstractContextManager[Sealer]

REPORTS = {
    "html": "report.html",
    "json": "report.json",
    "junit": "junit.xml",
    "sarif": "results.sarif",
    "ctrf": "ctrf.json",
    "earl": "earl.jsonld",
    "cdxa": "cdxa.cdx.json",
}
"""Formats that every run writes, with their file names in `report/` of the run folder."""

HELP = """Judge a twin, write the report and sign what was found.

The twin is the one that TARGET describes, or the bundled one with --reference. A failed run is reported
and signed like a passed one. --resume takes up a run that was interrupted or killed: what it judged stands,
its level, seed and nonce stay. It is refused when the target, the suites or the standard have changed, for
another --level, and for a part of a level (`dtc test --resume`).
--recheck is for the quarterly recheck: the run names the one before it, of the same product.

\b
Examples:
  dtc certify target.yaml --level silver --out runs/
  dtc certify --reference --level bronze --json
  dtc certify target.yaml --level platinum --yes-load twin.example
  dtc certify target.yaml --seed 7        the same requests as another run with seed 7
  dtc certify target.yaml --resume runs/20260101T120000Z-0190a1b2
  dtc certify target.yaml --level gold --recheck busan-january.dtcpack.tar.gz
  dtc certify target.yaml --key busan-works --passphrase-env KEY_PASSPHRASE
  dtc certify target.yaml --sign sigstore        by your identity instead of a key, in a public log

\b
Exit codes: 0 level reached, 1 a MUST failed or the level is not reached, 2 a file or option is not valid,
6 undecided (an error, a block, or something nothing exercised), 7 the target cannot be judged (preflight
red), 70 a defect of dtc, 130 interrupted (`dtc report RUN` still works).
"""


def certify(
    target: Annotated[Path | None, typer.Argument(help="Target file; `dtc init` writes one.")] = None,
    level: Annotated[
        str | None,
        typer.Option(help="Level to certify: bronze, silver, gold, platinum.", show_default="bronze"),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder that gets the run folder and the package.")] = Path(
        "runs"
    ),
    reference: Annotated[
        bool, typer.Option("--reference", help="Start the bundled twin and judge it.")
    ] = False,
    seed: Annotated[int | None, typer.Option(min=0, max=2**31 - 1, help="Seed of all randomness.")] = None,
    key: Annotated[
        str | None, typer.Option(help="Key to sign with: its name in your key folder, or a PEM file.")
    ] = None,
    passphrase_file: PassphraseFile = None,
    passphrase_env: PassphraseEnv = None,
    signer: signers.Command = None,
    signer_key: signers.CommandKey = None,
    sign: signers.Sign = "key",
    trust_config: signers.TrustConfig = None,
    identity_token_file: signers.IdentityToken = None,
    recheck: Annotated[
        Path | None, typer.Option(metavar="PACKAGE", help="Signed package of the run before this one.")
    ] = None,
    nonce: Annotated[str | None, typer.Option(help="Nonce of whoever asked for the run (base64url).")] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Take up the run in this folder where it stopped.")
    ] = None,
    load_scale: LoadScale = 1.0,
    yes_load: LoadAgreed = None,
    json: Json = False,
) -> None:
    """See HELP."""
    from dtc_cli.signing import keys

    wanted, secret = level_named(level or "bronze"), keys.passphrase(passphrase_file, passphrase_env)
    if resume is not None:
        who = _sealer(sign, key, secret, signer, signer_key, trust_config, identity_token_file)
        _resume(target, resume, wanted if level else None, seed, nonce or recheck, who, json=json)
        return
    if (target is None) != reference:
        raise DtcError(
            "usage",
            "give either a target file or --reference",
            where="dtc certify",
            hint="dtc certify target.yaml, or dtc certify --reference",
        )
    from dtc_cli.core.target import load
    from dtc_cli.harness import reference as bundled

    chosen = secrets.randbelow(2**31) if seed is None else seed
    # What can be refused at once is refused before the first request, not after the last.
    if target is not None and (bill := load(target).sbom) is not None:
        from dtc_cli.signing import sbom

        sbom.target(bill)
    who = _sealer(sign, key, secret, signer, signer_key, trust_config, identity_token_file)
    before = None if recheck is None else _before(recheck, target)
    _writable(out)
    with bundled.running(level=wanted) if target is None else contextlib.nullcontext(target) as file:
        run = judge(
            file,
            wanted,
            out,
            chosen,
            quiet=json,
            nonce=_nonce(nonce),
            previous=before,
            load_scale=load_scale,
            load_agreed=tuple(yes_load or ()),
        )
    report, package = _publish(run, out, who)
    code = _result(report, package, run.folder, json=json)
    if code is not ExitCode.OK:
        raise typer.Exit(int(code))


certify.__doc__ = HELP


def _resume(
    target: Path | None,
    folder: Path,
    level: "Level | None",
    seed: int | None,
    other: object,
    signer: "Sealing",
    *,
    json: bool,
) -> None:
    """Judge what an interrupted run has left, then report and sign as `certify` does."""
    if target is None or seed is not None or other is not None:
        raise DtcError(
            "usage",
            "a run is resumed with its target file, and keeps its seed, nonce and the run before it",
            where="dtc certify --resume",
            hint=f"dtc certify target.yaml --resume {as_word(folder)}",
        )
    run = take_up(target, folder, level, part=False, quiet=json)
    report, package = _publish(run, folder.resolve().parent, signer)
    code = _result(report, package, run.folder, json=json)
    if code is not ExitCode.OK:
        raise typer.Exit(int(code))


def take_up(target: Path, folder: Path, level: "Level | None", *, part: bool, quiet: bool) -> "Run":
    """Judge the rest of a run that was interrupted.

    Args:
        target: the target file of the run.
        folder: its run folder.
        level: the level that was asked for beside it, None when none was.
        part: whether it is to be a run of a part (`dtc test`) or of a level (`dtc certify`).
        quiet: print no line of the preflight.

    Raises:
        DtcError: `usage` when the run is of the other kind or of another level; as `harness.resume` says.
    """
    from dtc_cli.commands.doctor import print_check
    from dtc_cli.core.target import load
    from dtc_cli.harness import doctor
    from dtc_cli.harness import resume as resuming
    from dtc_cli.harness.replayed import judged
    from dtc_cli.harness.runner import Run

    recorded = resuming.read(folder)
    resuming.kind(recorded, level, part=part)
    described = load(target)
    console.status(f"preflight of {described.name}")
    claimed = level_named(recorded.run["level"]["claimed"])
    diagnosis = doctor.examine(described, claimed, tell=lambda check: None if quiet else print_check(check))
    doctor.refuse(diagnosis)
    resuming.compare(recorded, described, diagnosis)
    resuming.prepare(recorded)
    run = Run.taken_up(described, recorded)
    done = len(judged(recorded))
    console.status(f"judging the other {len(run.plan.vectors) - done} of {len(run.plan.vectors)} vectors")
    _watched(run, len(run.plan.vectors) - done)
    return run


def _watched(run: "Run", vectors: int) -> None:
    """Judge; Ctrl-C closes the run folder before it goes up."""
    from dtc_cli.commands.progress import shown

    try:
        shown(run.judge(), vectors)
    except KeyboardInterrupt:
        console.status("stopping: the present vector ends, and what was created is taken back")
        run.interrupt()
        raise DtcError(
            "interrupted",
            "interrupted; what was judged is kept",
            where=str(run.folder),
            hint=run.resumed_by,
            exit_code=ExitCode.INTERRUPTED,
        ) from None


def judge(
    file: Path,
    level: "Level",
    out: Path,
    seed: int,
    *,
    quiet: bool,
    select: str | None = None,
    fail_fast: bool = False,
    baseline: Path | None = None,
    nonce: str | None = None,
    mode: str = "self-assessment",
    load_scale: float = 1.0,
    load_agreed: tuple[str, ...] = (),
    previous: "Previous | None" = None,
) -> "Run":
    """Preflight and run; Ctrl-C closes the run folder before it goes up."""
    from dtc_cli.commands.doctor import print_check
    from dtc_cli.core.target import load
    from dtc_cli.harness import doctor
    from dtc_cli.harness.runner import Run

    target = load(file)
    console.status(f"preflight of {target.name}")
    diagnosis = doctor.examine(target, level, tell=lambda check: None if quiet else print_check(check))
    doctor.refuse(diagnosis)
    run = Run(
        target,
        level,
        out=out,
        seed=seed,
        diagnosis=diagnosis,
        nonce=nonce,
        select=select,
        fail_fast=fail_fast,
        baseline=baseline,
        mode=mode if previous is None else "recheck",
        previous=previous,
        load_scale=load_scale,
        load_agreed=load_agreed,
    )
    console.status(f"judging {len(run.plan.vectors)} vectors into {run.folder} (seed {seed})")
    _watched(run, len(run.plan.vectors))
    return run


def _sealer(
    sign: str,
    key: str | None,
    secret: "Passphrase",
    command: str | None,
    command_key: Path | None,
    config: Path | None,
    token: Path | None,
) -> "Sealing":
    """Whoever signs, once the run is over: an identity token lives for minutes only."""
    return signers.sealing(
        sign,
        lambda: _signer(key, secret, command, command_key),
        config,
        token,
        keyed=key is not None or command is not None,
    )


def _before(package: Path, target: Path | None) -> "Previous":
    """The run before this one, from its package; whether that is authentic, verifiers decide."""
    from dtc_cli.core.canonical import sha256_hex
    from dtc_cli.core.target import load
    from dtc_cli.harness.runner import Previous
    from dtc_cli.signing import attestation, evidence, layout
    from dtc_cli.signing.reader import open_package
    from dtc_cli.signing.refusal import Refusal

    try:
        with open_package(package) as files:
            run, digest = evidence.read(files).run, sha256_hex(files.read(layout.SUMS))
    except Refusal as problem:
        raise attestation.refused(package, problem) from problem
    if target is not None and (now := load(target)).name != run.target.name:
        raise DtcError(
            "other-product",
            f"the earlier run was of {run.target.name}, not of {now.name}",
            where=f"--recheck {package}",
            hint="a recheck is a newer run of the same product",
        )
    return Previous(digest, run.sequence + 1)


def _signer(key: str | None, secret: "Passphrase", command: str | None, command_key: Path | None) -> "Signer":
    """The key to sign with; one is made when there is none (D-13)."""
    from dtc_cli.signing import keys

    if command is not None or command_key is not None:
        return signers.chosen("", None, None, command, command_key)
    if key is not None:
        # A name has no dot; a file without one is meant where no key has the name.
        is_file = "." in key or "/" in key or (Path(key).is_file() and not keys.place(key).is_file())
        return keys.load_private(Path(key), secret) if is_file else keys.load(key, secret)
    own, made = keys.default_or_make(secret)
    if made:
        console.status(f"made a signing key, not encrypted: {own.path}")
    return own


def _writable(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out):
            return
    except OSError as problem:
        raise DtcError(
            "run-folder",
            f"nothing can be written into {out}",
            where=f"--out {out}",
            why=problem.strerror or str(problem),
            hint="give another folder",
        ) from problem


def _nonce(text: str | None) -> str | None:
    """A nonce that somebody else gave out, checked: at least 16 bytes, base64url (EVIDENCE 3, 6)."""
    from dtc_cli.core.chain import nonce_bytes

    try:
        good = text is None or len(nonce_bytes(text)) >= 16
    except ValueError:
        good = False
    if not good:
        raise DtcError(
            "usage",
            "the nonce is not valid",
            where=f"--nonce {text}",
            hint="at least 16 random bytes in base64url, as whoever asked for the run gave it to you",
        )
    return text


def _publish(run: "Run", out: Path, signer: "Sealing") -> "tuple[Report, Path]":
    """Write the reports and the signed package."""
    from dtc_cli.core import report as reporting
    from dtc_cli.reports import FORMATS
    from dtc_cli.signing import package, sbom

    sbom.write(run.folder, run.target.sbom)
    report = reporting.build(run.folder)
    exports = {name: FORMATS[fmt](report) for fmt, name in REPORTS.items()}
    folder = run.folder / "report"
    folder.mkdir(exist_ok=True)
    for name, content in exports.items():
        (folder / name).write_bytes(content)
    with signer as who:
        return report, package.build(run.folder, out, exports, who)


def _result(report: "Report", package: Path, folder: Path, *, json: bool) -> ExitCode:
    from dtc_cli.commands.report import terminal_text
    from dtc_cli.core import levels
    from dtc_cli.core import report as reporting

    if json:
        console.emit_json(reporting.summary(report, package))
    else:
        sys.stdout.write(terminal_text(report))
        console.out(f"report   {folder / 'report' / REPORTS['html']}")
        console.out(f"package  {package}")
        console.out(f"verify   dtc verify {as_word(package)} --trust PUBLIC-KEY.pem")
    return levels.exit_code(report.levels)
