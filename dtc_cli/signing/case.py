"""What is known about a package while it is verified: what the reader asked, what each check found."""

from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dtc_cli.core.catalogue import Catalogue
from dtc_cli.core.model import Level
from dtc_cli.signing.bundle import Bundle
from dtc_cli.signing.evidence import Evidence
from dtc_cli.signing.judgement import Judgement
from dtc_cli.signing.public_keys import PublicKey
from dtc_cli.signing.reader import Files
from dtc_cli.signing.trust import Trust, TrustedKey

if TYPE_CHECKING:
    from dtc_cli.signing.check_beside import Said
    from dtc_cli.signing.check_events import Log
    from dtc_cli.signing.check_exports import Render
    from dtc_cli.signing.check_replay import Rejudge


class Case:
    """One verification. A member that a check fills is read only by checks that need that check."""

    files: Files
    sums: bytes
    digests: dict[str, str]
    bundle: Bundle
    test_result: Bundle
    beside: dict[str, Bundle]
    """Statements of others by file name."""
    carried: dict[str, PublicKey]
    """Keys that lie in the package, by keyid: copies for convenience, no reason to trust."""
    statement: dict[str, Any]
    signer: tuple[TrustedKey, ...]
    """The signer's entries in the reader's policy."""
    evidence: Evidence
    judgement: Judgement
    expected: dict[str, Any]
    """The predicate that the evidence amounts to."""
    log: "Log"
    said: "Said"
    signed_at: datetime | None = None
    """When the statement was signed at the latest, by somebody else's word; None: nobody says."""
    auditors: tuple[str, ...] = ()
    """Organisations whose audits count for the level in question."""

    def __init__(
        self,
        *,
        path: Path,
        resources: ExitStack,
        trust: Trust | None,
        catalogue: Catalogue,
        level: Level | None,
        nonce: str | None,
        target: str | None,
        now: datetime,
        rejudge: "Rejudge | None" = None,
        render: "Render | None" = None,
        ask_registry: bool = True,
    ) -> None:
        self.path = path
        self.resources = resources
        self.catalogue = catalogue
        self.trust = trust
        self.asked_level = level
        self.asked_nonce = nonce
        self.asked_target = target
        self.now = now
        self.rejudge = rejudge
        self.render = render
        self.ask_registry = ask_registry

    @property
    def predicate(self) -> dict[str, Any]:
        """The signed predicate."""
        inner: dict[str, Any] = self.statement["predicate"]
        return inner

    @property
    def level(self) -> Level:
        """The level in question: the one asked for, else the one that the run claims."""
        return self.asked_level or Level(self.predicate["level"]["claimed"])
