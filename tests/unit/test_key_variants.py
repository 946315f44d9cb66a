"""Which spoilt keys are kept out of the evidence: those that hold a part of the key, and no plain words."""

import pytest

from suites.security.test_key_variants import NOBODYS, VARIANTS


@pytest.mark.parametrize("name", VARIANTS)
def test_only_what_holds_a_part_of_the_key_is_a_secret(name: str) -> None:
    """The word null as a secret would be blanked in every document, measurements included."""
    one, other = (VARIANTS[name](key * 8) for key in ("Ab3dEf6h", "Kl2nOp5r"))
    assert (one == other) == (name in NOBODYS)
