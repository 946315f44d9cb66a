"""`dtc case`: the file of one certification, through its seven steps."""

import shutil
import uuid
from pathlib import Path
from typing import Annotated, Literal, cast

import typer

from dtc_cli import console
from dtc_cli.commands import signers
from dtc_cli.commands.options import Json
from dtc_cli.commands.options import level as level_named
from dtc_cli.commands.registry import Policy, holding
from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode

app = typer.Typer(
    help="Keep the file of a certification: seven steps, signed check marks, what is missing.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

INIT_HELP = """Open a case for a product: registration, self-assessment, technical review, testing, audit,
certification, maintenance.

Name, vendor, version and city are taken from the target file. `dtc case status` shows what each step needs.

\b
Examples:
  dtc case init case/ --target target.yaml --level gold --contact twin@example.org

\b
Exit codes: 0 opened, 2 there is a case already, or the target file is not valid.
"""

ASSESS_HELP = """Confirm an item of the checklist, or deny it, with your name and your signature.

Who must sign depends on the item: the vendor, an auditor. A mark is about the registration and the document
as they are now; when one of them changes, it has to be given again.

\b
Examples:
  dtc case assess case/ data-owner --by "K. Kim" --key default
  dtc case assess case/ on-site --by "A. Auditor" --key auditor --answer no --note "no spare power"

\b
Exit codes: 0 signed, 2 it is no case, there is no such item, a document is missing, or a key cannot be used.
"""

ADD_HELP = """Put a file into the case: a document that an item asks for, a signed package, a certificate.

\b
Examples:
  dtc case add case/ openapi.json --as openapi
  dtc case add case/ busan.dtcpack.tar.gz --as package
  dtc case add case/ certificate.vc.jwt --as certificate

\b
Exit codes: 0 added, 2 it is no case, there is no such kind, or the file cannot be read.
"""

STATUS_HELP = """Show how far the case is, by your own trust policy.

\b
Examples:
  dtc case status case/ --policy dtc-trust.json

\b
Exit codes: 0 every step is done, 2 it is no case or no policy, 6 something is missing.
"""

SUBMIT_HELP = """Say exactly what is missing before a body can decide (--check), or pack the case.

Certification and maintenance are the body's steps and not asked for. The packed case is a folder in one file.

\b
Examples:
  dtc case submit case/ --policy dtc-trust.json --check
  dtc case submit case/ --policy dtc-trust.json --out case.tar

\b
Exit codes: 0 complete (and packed), 2 it is no case or no policy, 6 something is missing; nothing is packed.
"""

Folder = Annotated[Path, typer.Argument(metavar="CASE", help="Folder of the case.")]
BY_THE_BODY = ("certification", "maintenance")


@app.command(help=INIT_HELP)
def init(
    folder: Folder,
    target: Annotated[Path, typer.Option(help="Target file of the product.")],
    level: Annotated[str, typer.Option(help="Level that is asked for.")],
    contact: Annotated[str, typer.Option(help="Address at which a person answers.")],
    json: Json = False,
) -> None:
    """See INIT_HELP."""
    from dtc_cli.casefile import case
    from dtc_cli.core.target import load
    from dtc_cli.signing import attestation

    product = load(target)
    made = case.Registration(
        dtc_case=1,
        id=str(uuid.uuid4()),
        level=level_named(level),
        product=product.name,
        version=product.version,
        vendor=product.vendor,
        city=product.city,
        contact=contact,
        opened_at=attestation.now(),
    )
    case.create(folder, made)
    if json:
        console.emit_json({"case": str(folder), "id": made.id, "level": made.level.value})
    else:
        console.out(f"opened the case {folder}: {made.product} {made.version} for {made.level}")


@app.command(help=ASSESS_HELP)
def assess(
    folder: Folder,
    item: Annotated[str, typer.Argument(metavar="ITEM", help="Item of the checklist.")],
    by: Annotated[str, typer.Option(help="Your name.")],
    answer: Annotated[str, typer.Option(help="yes or no.")] = "yes",
    note: Annotated[str, typer.Option(help="What you saw, in a sentence.")] = "",
    key: signers.KeyName = "default",
    passphrase_file: signers.PassphraseFile = None,
    passphrase_env: signers.PassphraseEnv = None,
    signer: signers.Command = None,
    signer_key: signers.CommandKey = None,
    json: Json = False,
) -> None:
    """See ASSESS_HELP."""
    from dtc_cli.casefile import case

    if answer not in ("yes", "no") or not by.strip():
        raise DtcError("usage", "a mark needs a name, and yes or no", where=f"--answer {answer} --by {by}")
    who = signers.chosen(key, passphrase_file, passphrase_env, signer, signer_key)
    with holding(folder):
        path = case.mark(folder, item, cast(Literal["yes", "no"], answer), by, note[:2000], who)
    if json:
        console.emit_json({"item": item, "answer": answer, "mark": str(path), "keyid": who.keyid})
    else:
        console.out(f"{item}: {answer}, signed by {by} ({who.keyid[:16]})")


@app.command(help=ADD_HELP)
def add(
    folder: Folder,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file.")],
    kind: Annotated[
        str, typer.Option("--as", help="package, certificate, or the document that an item names.")
    ],
    json: Json = False,
) -> None:
    """See ADD_HELP."""
    from dtc_cli.casefile import case

    case.read(folder)
    documents = {item.document for step in case.steps() for item in step.items if item.document}
    if kind not in documents | {"package", "certificate"}:
        known = ", ".join(sorted(documents | {"package", "certificate"}))
        raise DtcError("usage", f"there is no kind {kind}", where=f"--as {kind}", hint=f"one of: {known}")
    if not file.is_file():
        raise DtcError("not-readable", f"there is no file {file}", where=str(file), hint="name a file")
    if kind == "package":
        place = folder / case.PACKAGES / file.name
    elif kind == "certificate":
        place = folder / case.CERTIFICATES / file.name
    else:
        for old in (folder / case.DOCUMENTS).glob(f"{kind}.*"):
            old.unlink()
        place = folder / case.DOCUMENTS / f"{kind}{file.suffix or '.bin'}"
    try:
        shutil.copyfile(file, place)
    except OSError as problem:
        raise DtcError(
            "not-written",
            f"{place} cannot be written",
            where=str(place),
            why=problem.strerror or str(problem),
        ) from problem
    if json:
        console.emit_json({"file": str(place), "as": kind})
    else:
        console.out(f"added {place}")


@app.command(help=STATUS_HELP)
def status(folder: Folder, policy: Policy, json: Json = False) -> None:
    """See STATUS_HELP."""
    from dtc_cli.casefile import case
    from dtc_cli.casefile.progress import progress
    from dtc_cli.signing import trust

    found = progress(folder, policy, trust.load(policy), case.today())
    if json:
        import msgspec

        console.emit_json({"steps": msgspec.to_builtins(found)})
    else:
        for number, step in enumerate(found, start=1):
            console.out(f"{number}. {step.title}: {step.state}")
            for line in step.missing:
                console.out(f"   - {line}")
    if any(step.state == "open" for step in found):
        raise typer.Exit(int(ExitCode.INCOMPLETE))


@app.command(help=SUBMIT_HELP)
def submit(
    folder: Folder,
    policy: Policy,
    check: Annotated[bool, typer.Option("--check", help="Only say what is missing.")] = False,
    out: Annotated[Path | None, typer.Option("--out", help="File that gets the packed case.")] = None,
    json: Json = False,
) -> None:
    """See SUBMIT_HELP."""
    from dtc_cli.casefile import case
    from dtc_cli.casefile.progress import progress
    from dtc_cli.signing import archive, trust

    if check == (out is not None):
        raise DtcError(
            "usage", "give either --check or --out", where="dtc case submit", hint="--out case.tar"
        )
    found = progress(folder, policy, trust.load(policy), case.today())
    missing = [
        f"{step.title}: {line}" for step in found if step.step not in BY_THE_BODY for line in step.missing
    ]
    if not missing and out is not None:
        files = {
            f"case/{path.relative_to(folder).as_posix()}": path
            for path in folder.rglob("*")
            if path.is_file()
        }
        try:
            with out.open("wb") as stream:
                archive.write_tar(stream, dict(files))
        except OSError as problem:
            raise DtcError(
                "not-written",
                f"{out} cannot be written",
                where=str(out),
                why=problem.strerror or str(problem),
            ) from problem
    if json:
        console.emit_json({"missing": missing, "file": str(out) if out and not missing else None})
    elif missing:
        for line in missing:
            console.out(f"- {line}")
    else:
        console.out("nothing is missing" + (f"; wrote {out}" if out else ""))
    if missing:
        raise typer.Exit(int(ExitCode.INCOMPLETE))
