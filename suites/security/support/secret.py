"""An object of the run whose name is a marker: where the marker appears, the object was read."""

from dtc_cli.harness.suite import Answer, Twin, expect, quote
from suites.phase2.support.lists import OBJECTS
from suites.phase2.support.queries import stored
from suites.phase2.support.values import within

CLAUSE = "P4 8.3"


class Secret:
    """Created when the first vector asks for it; once per run."""

    def __init__(self, twin: Twin) -> None:
        self._twin = twin
        self._id = ""
        self.name = f"dtc marker {twin.run_id[-12:]}"

    @property
    def id(self) -> str:
        """Its id.

        Raises:
            Blocked: by DTC-P2-013 when it cannot be created.
        """
        if not self._id:
            self._id, _ = self._twin.scratch.object(self._twin.scratch.body(name=self.name))
        return self._id

    @property
    def path(self) -> str:
        """Its path below the base."""
        return f"{OBJECTS}/{quote(self.id)}"

    def shown_in(self, body: bytes) -> bool:
        """Whether the object, or its city, can be read in an answer."""
        return self.name.encode() in body

    def judge_hidden(self, answer: Answer, what: str) -> None:
        """The answer shows nothing of it.

        Raises:
            Violation: when it does.
        """
        expect.that(
            not self.shown_in(answer.body),
            f"{what} reads an object of the city",
            expected="a refusal without data",
            actual=f"status {answer.status}, body {answer.excerpt(200)}",
            clause=CLAUSE,
        )

    def judge_kept(self, what: str) -> None:
        """The object is still there, with its name.

        Raises:
            Violation: when it is gone or changed.
        """
        kept = stored(self._twin, self.id)
        whole = kept is not None and within(kept, "properties", "name") == self.name
        if not whole:
            self._id = ""  # the next vector gets another one, and blames nobody for this
        expect.that(
            whole,
            f"{what} removed or changed an object",
            expected=self.name,
            actual="gone" if kept is None else within(kept, "properties", "name"),
            clause=CLAUSE,
        )
