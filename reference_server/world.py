"""What a running server holds, handed to every handler."""

import time
from collections import Counter

from reference_server.auth import Keyring
from reference_server.limits import Limiter
from reference_server.services.runs import Runs
from reference_server.settings import Settings
from reference_server.storage.protocol import Storage


class World:
    """Storage, callers and limits of one server."""

    def __init__(self, settings: Settings, storage: Storage, keyring: Keyring) -> None:
        self.settings = settings
        self.storage = storage
        self.keyring = keyring
        self.limiter = Limiter(settings.global_allowance, settings.window_s)
        self.started = time.monotonic()
        self.ready = False
        self.runs: Runs | None = None
        from reference_server.services.imports import Imports

        folder = storage.path.with_name(f"{storage.path.name}.imports")
        self.imports = Imports(storage, folder, settings.quality_threshold)
        from reference_server.services.roads import Roads

        self.roads = Roads(storage)
        from reference_server.messaging.hub import Hub  # its parts know the world

        self.messaging = Hub(self)
        from reference_server.stream.door import Door

        self.stream = Door(self)
        self.answers: Counter[tuple[str, str, int]] = Counter()
        """Answers so far, by method, operation and status."""
        self.readings: Counter[str] = Counter()
        """Readings taken so far, by city."""
        self.exported = 0
        """Bytes of exports that were taken so far."""
