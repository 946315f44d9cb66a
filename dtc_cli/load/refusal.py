"""Why nothing was measured. Apart, because it can be imported without the extra that a load needs."""


class LoadRefused(Exception):  # noqa: N818 - why nothing was measured, no mistake of ours
    """Nothing was measured; the message says why."""
