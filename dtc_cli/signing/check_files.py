"""Checks of the package as a set of files: readable, closed, every digest right."""

from dtc_cli.signing import layout
from dtc_cli.signing.case import Case
from dtc_cli.signing.reader import open_package
from dtc_cli.signing.refusal import Refusal


def readable(case: Case) -> str:
    """The package opens, and no name, link, size or header in it is unusual.

    Raises:
        Refusal: with what is unusual.
    """
    case.files = case.resources.enter_context(open_package(case.path))
    count = len(case.files.names())
    return f"{count} files, plain names, no links"


def closed(case: Case) -> str:
    """`SHA256SUMS` lists exactly the files of `evidence/` and `exports/`, and nothing unknown lies beside.

    Raises:
        Refusal: for a file too many or too few.
    """
    case.sums = case.files.read(layout.SUMS)
    case.digests = layout.parse_sums(case.sums)
    present = case.files.names()
    for name in present:
        if layout.covered(name):
            if name not in case.digests:
                raise Refusal(f"{name} lies in the package but not on the signed list")
            continue
        known = (
            name in (layout.SUMS, layout.RUN_BUNDLE, layout.TEST_RESULT, layout.PROOF)
            or layout.KEY_FILE.fullmatch(name)
            or layout.BESIDE.fullmatch(name)
        )
        if not known:
            raise Refusal(f"{name} has no place in a package")
    for name in (*case.digests, *layout.DOCUMENTS, layout.RUN_BUNDLE, layout.TEST_RESULT):
        if name not in case.files:
            raise Refusal(f"{name} is missing from the package")
    return f"{len(case.digests)} files, all on the list; nothing beside them"


def digests(case: Case) -> str:
    """Every listed file has the listed SHA-256.

    Raises:
        Refusal: naming the first that differs.
    """
    for name, digest in case.digests.items():
        if case.files.digest(name) != digest:
            raise Refusal(f"{name} was changed: its SHA-256 is not the listed one")
    return f"{len(case.digests)} SHA-256 digests agree"
