"""`dtc audit`: run a sample of a signed run again and sign what came of it, beside the run."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dtc_cli import console
from dtc_cli.commands import signers
from dtc_cli.commands.options import Json
from dtc_cli.errors import DtcError, as_word
from dtc_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from dtc_cli.core.sample import Sample
    from dtc_cli.signing.audit import Audit, Finding
    from dtc_cli.signing.evidence import Evidence
    from dtc_cli.signing.verify import VerifyResult

HELP = """Audit a signed package: run a sample of it again against the target, compare, and sign the result.

The audit is a statement of yours about the same package, laid beside the run; nothing in the package changes.
Your own run is kept and signed too, and the statement names it. Gold needs one such audit by another
organisation than the one that made the run, Platinum two of two organisations (`dtc verify --level gold`).

\b
Examples:
  dtc audit busan.dtcpack.tar.gz --target target.yaml --org "City Lab" --key auditor --trust dtc-trust.json
  dtc audit busan.dtcpack.tar.gz --target target.yaml --org "City Lab" --sample 50% --seed 4711
  dtc audit busan.dtcpack.tar.gz --target target.yaml --org "City Lab" --out audited.dtcpack.tar.gz --json
  dtc audit busan.dtcpack.tar.gz --target target.yaml --org "City Lab" --sign sigstore

\b
Exit codes: 0 endorsed, 1 rejected: something came out otherwise, 2 usage, 3 the package is damaged, 4 its
signer is not trusted, 6 a part could not be judged again, 7 the target cannot be judged (preflight red), 70 a
defect of dtc. A rejection is signed and laid beside the run like an endorsement.
"""

OWN_KEY = "auditor"
RUN_BY_MYSELF = "I have no interest in the result and was not paid for a particular one."


def audit(
    package: Annotated[Path, typer.Argument(help="Package file, or the folder it was unpacked to.")],
    target: Annotated[Path, typer.Option(help="Your own target file of the same target.")],
    org: Annotated[str, typer.Option(help="Your organisation.")],
    sample: Annotated[str, typer.Option(help="Share of the vectors to run again.")] = "20%",
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, max=2**31 - 1, help="Draws the sample; default: drawn now. Never tell it before."
        ),
    ] = None,
    trust: Annotated[
        Path | None, typer.Option(help="Public key (PEM) of the signer, or a trust policy (JSON).")
    ] = None,
    key: signers.KeyName = OWN_KEY,
    passphrase_file: signers.PassphraseFile = None,
    passphrase_env: signers.PassphraseEnv = None,
    signer: signers.Command = None,
    signer_key: signers.CommandKey = None,
    sign: signers.Sign = "key",
    trust_config: signers.TrustConfig = None,
    identity_token_file: signers.IdentityToken = None,
    name: Annotated[str, typer.Option(help="Who audits, as it shall stand in the statement.")] = "",
    witnessed: Annotated[
        bool, typer.Option("--witnessed", help="You watched the audited run yourself.")
    ] = False,
    finding: Annotated[
        list[str] | None,
        typer.Option(metavar="SEVERITY:TEXT", help="note, minor or major, and what you noticed; repeatable."),
    ] = None,
    independence: Annotated[str, typer.Option(help="Your declaration of independence.")] = RUN_BY_MYSELF,
    runs: Annotated[Path, typer.Option(help="Folder that gets your own run and its package.")] = Path("runs"),
    out: Annotated[
        Path | None, typer.Option(help="Package to write; default: the given one is replaced.")
    ] = None,
    json: Json = False,
) -> None:
    """See HELP."""
    import secrets

    from dtc_cli.core.sample import Sample
    from dtc_cli.signing import attestation, layout

    try:
        drawn = Sample.parse(sample, secrets.randbelow(2**31) if seed is None else seed)
    except ValueError as problem:
        raise DtcError(
            "usage", str(problem), where=f"--sample {sample}", hint="--sample 20% --seed 7"
        ) from problem
    findings = _findings(finding or [])
    sealing = signers.sealing(
        sign,
        lambda: signers.chosen(key, passphrase_file, passphrase_env, signer, signer_key),
        trust_config,
        identity_token_file,
        keyed=key != OWN_KEY or signer is not None,
    )
    attestation.writable(out or package)
    checked = sound(package, trust)
    facts = read(package)
    started = attestation.now()
    folder = _run_again(facts, target, drawn, runs, quiet=json)
    from dtc_cli.signing import bundle
    from dtc_cli.signing import package as packages
    from dtc_cli.signing.audit import PREDICATE

    with sealing as who:
        own = packages.build(folder, runs, {}, who)
        made = _audit(
            checked, facts, drawn, folder, own,
            said={"name": name or org, "org": org, "witnessed": witnessed, "independence": independence},
            findings=findings, started=started,
        )  # fmt: skip
        data = attestation.make(PREDICATE, made, checked.summary["subject"], who)
    place = layout.beside("audit", bundle.parse(data, "the audit").keyid)
    attestation.lay_beside(package, out or package, place, data, who)
    code = _exit_code(made)
    if json:
        import msgspec

        console.emit_json(
            {"package": str(out or package), "statement": place, "audit": msgspec.to_builtins(made),
             "ownPackage": str(own), "exitCode": int(code)}
        )  # fmt: skip
    else:
        _print(made, out or package, place, own)
    if code:
        raise typer.Exit(int(code))


audit.__doc__ = HELP


def sound(package: Path, trust: Path | None) -> "VerifyResult":
    """The result of verifying a package that is to be built upon.

    Raises:
        DtcError: `package-refused` when it is damaged, or its signer is not trusted where trust is given.
    """
    from dtc_cli.signing.verify import verify

    result = verify(package, trust)
    broken = [
        check
        for check in result.checks
        if check.code is not None
        and check.authenticity
        and (trust is not None or not check.name.startswith("signer."))
    ]
    if not result.summary or broken:
        first = broken[0] if broken else None
        worst = next((check for check in broken if check.code is ExitCode.INTEGRITY), first)
        raise DtcError(
            "package-refused",
            f"the package {package.name} cannot be built upon",
            where=str(package),
            why="" if worst is None else f"check {worst.number}, {worst.name}: {worst.reason}",
            hint=f"dtc verify {as_word(package)} tells more about it",
            exit_code=(None if worst is None else worst.code) or ExitCode.INTEGRITY,
        )
    return result


def read(package: Path) -> "Evidence":
    """The evidence of a package.

    Raises:
        DtcError: `package-refused`.
    """
    from dtc_cli.signing import attestation, evidence
    from dtc_cli.signing.reader import open_package
    from dtc_cli.signing.refusal import Refusal

    try:
        with ExitStack() as resources:
            return evidence.read(resources.enter_context(open_package(package)))
    except Refusal as problem:
        raise attestation.refused(package, problem) from problem


def _run_again(facts: "Evidence", target: Path, sample: "Sample", runs: Path, *, quiet: bool) -> Path:
    """Judge the sample; returns the run folder."""
    from dtc_cli.commands.certify import judge
    from dtc_cli.core import plan
    from dtc_cli.core.target import load

    own = load(target)
    if plan.profile(own)["digest"] != facts.run.profile.digest:
        raise DtcError(
            "profile",
            "the target file claims another profile than the audited run",
            where=own.where("profile"),
            why="excluded requirements, hazards and declarations decide what is judged",
            hint="take profile and declares over from evidence/profile.json of the package",
        )
    if not sample.of(vector.id for vector in facts.vectors):
        raise DtcError(
            "usage", "the sample is empty", where=f"--sample {sample.percent}%", hint="a larger share"
        )
    run = judge(
        target,
        facts.run.level.claimed,
        runs,
        sample.seed,
        quiet=quiet,
        select=f"sample:{sample}",
        mode="audit",
    )
    return run.folder


def _audit(
    checked: "VerifyResult", facts: "Evidence", sample: "Sample", folder: Path, own: Path,
    *, said: dict[str, Any], findings: "list[Finding]", started: str,
) -> "Audit":  # fmt: skip
    from dtc_cli.core import runfolder
    from dtc_cli.core.canonical import sha256_hex
    from dtc_cli.signing import attestation, audit, layout
    from dtc_cli.signing.attestation import Digest
    from dtc_cli.signing.reader import open_package

    again = runfolder.read(folder)
    with open_package(own) as files:
        sums = sha256_hex(files.read(layout.SUMS))
    rerun = audit.compare(
        sample,
        (vector.id for vector in facts.vectors),
        {line.vector: line for line in facts.lines},
        {line.vector: line for line in again.lines},
        sums,
    )
    seen = set(again.run["target"]["fingerprint"].get("tlsSpki", ()))
    then = set(facts.run.target.fingerprint.tls_spki)
    if seen and then and not seen & then:
        findings = [
            *findings,
            audit.Finding(
                id="fingerprint", severity="major", text="the target shows another TLS key than in the run"
            ),
        ]
    return audit.Audit(
        run_statement=Digest(checked.payload_digest),
        auditor=audit.Auditor(name=said["name"], org=said["org"]),
        witnessed=said["witnessed"],
        rerun=rerun,
        suite=Digest(again.run["suite"]["digest"]),
        findings=tuple(findings),
        decision=audit.decide(rerun, findings),
        independence=said["independence"],
        started_at=started,
        finished_at=attestation.now(),
    )


def _findings(texts: list[str]) -> "list[Finding]":
    from dtc_cli.signing.audit import Finding

    made = []
    for number, text in enumerate(texts, start=1):
        severity, colon, words = text.partition(":")
        if severity not in ("note", "minor", "major") or not colon or not 0 < len(words.strip()) <= 1000:
            raise DtcError(
                "usage",
                "that is no finding",
                where=f"--finding {text[:60]}",
                hint='--finding "minor:the time zone of the log is not stated"',
            )
        made.append(Finding(id=f"F-{number}", severity=severity, text=words.strip()))  # type: ignore[arg-type]
    return made


def _exit_code(made: "Audit") -> ExitCode:
    if made.decision == "endorse":
        return ExitCode.OK
    grave = made.rerun.disagree or any(finding.severity == "major" for finding in made.findings)
    return ExitCode.NOT_CONFORMANT if grave else ExitCode.INCOMPLETE


def _print(made: "Audit", package: Path, place: str, own: Path) -> None:
    rerun = made.rerun
    if rerun.differences:
        rows = [
            (row.vector, row.recorded.value, row.now.value if row.now else "-") for row in rerun.differences
        ]
        console.table(("vector", "recorded", "now"), rows)
        console.out()
    console.out(f"{rerun.agree} of {rerun.vectors} vectors came out as in the run (sample {rerun.percent} %, "
                f"seed {rerun.seed}); {rerun.disagree} otherwise, {rerun.undecided} undecided")  # fmt: skip
    for found in made.findings:
        console.out(f"{found.severity}: {found.text}")
    console.out(f"decision   {made.decision}")
    console.out(f"statement  {place} in {package}")
    console.out(f"own run    {own}")
