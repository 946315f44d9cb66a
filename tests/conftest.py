"""For all tests: what a program prints does not depend on the width of whoever runs the tests."""

import os
import signal
import threading
from collections.abc import Iterator

import pytest

# In the background of a shell Ctrl-C is ignored, also by what tests start: Ctrl-C would not stop it.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)
# Workers of a parallel run inherit the width of some terminal; programs that tests start would use it.
os.environ["COLUMNS"] = "120"


@pytest.fixture(scope="module")
def untraced() -> Iterator[None]:
    """Programs that this file starts are not measured for coverage.

    For files that run whole suites: it would double their time, and other tests reach the same lines.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"):
            patch.delenv(name, raising=False)
        yield
