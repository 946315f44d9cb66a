"""The key that ends a load early: what was measured until then is kept and judged."""

import os
import select
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

KEY = "q"
SAID = f"the key {KEY} was pressed"


@contextmanager
def watched() -> Iterator[Callable[[], bool] | None]:
    """While the block lasts, a question whether the key was pressed; None where no terminal can tell.

    The terminal hands over keys at once and shows none of them; Ctrl-C stays what it is.
    """
    try:
        import termios
        import tty

        descriptor = sys.stdin.fileno()
        # A job in the background that changes its terminal would be stopped by the shell.
        if not sys.stdin.isatty() or os.tcgetpgrp(descriptor) != os.getpgrp():
            raise OSError("nobody is at the terminal")
        before = termios.tcgetattr(descriptor)
    except (ImportError, OSError, ValueError):
        yield None
        return

    def pressed() -> bool:
        found = False
        while select.select([descriptor], [], [], 0)[0]:
            data = os.read(descriptor, 64)
            found = found or KEY.encode() in data.lower()
            if not data:
                break
        return found

    tty.setcbreak(descriptor)
    try:
        yield pressed
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
