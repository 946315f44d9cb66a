"""The bundled twin behind a proxy that adds a round trip to each exchange."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from dtc_cli.core.target import load
from tests.support.delay import DelayProxy


@contextmanager
def far_target(target: Path, round_trip_s: float) -> Iterator[tuple[Path, DelayProxy]]:
    """The target file of the same twin, reached through a delay; it lies beside the given one."""
    base = load(target).base_url
    assert base is not None
    address = urlsplit(base)
    assert address.hostname is not None
    assert address.port is not None
    with DelayProxy(address.hostname, address.port, round_trip_s) as proxy:
        text = target.read_text(encoding="utf-8")
        far = target.with_name("far-target.yaml")
        far.write_text(re.sub(rf":{address.port}\b", f":{proxy.port}", text), encoding="utf-8")
        yield far, proxy
