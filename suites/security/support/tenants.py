"""A city beside that of the run, and the caller who is entitled to it alone."""

from dtc_cli.harness.suite import Blocked, NotTested, Twin, quote


def other_city(twin: Twin) -> str:
    """The other city, whose key works there.

    Raises:
        NotTested: when the target file names none.
        Blocked: by DTC-P2-086 when its key is refused.
    """
    city = twin.target.other_city
    if city is None or "other_city" not in twin.credentials.roles:
        raise NotTested("the target file names no other_city with a key of its own")
    if twin.rest.get(f"/cities/{quote(city)}", as_="other_city").status == 401:
        raise Blocked("DTC-P2-086", "the key other_city is refused")
    return city
