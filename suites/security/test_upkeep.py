"""What shows in operation only: the audit trail (DTC-SEC-023) and the rotation of keys (DTC-SEC-024)."""

from dtc_cli.harness.suite import NotTested, verifies


@verifies("DTC-SEC-023", hazard="security")
def test_the_audit_trail() -> None:
    raise NotTested(
        "the standard names no operation that shows the audit trail; an auditor looks at it on site"
    )


@verifies("DTC-SEC-024", hazard="security")
def test_the_rotation_of_keys() -> None:
    raise NotTested("the standard names no operation that replaces a key; an auditor looks at it on site")
