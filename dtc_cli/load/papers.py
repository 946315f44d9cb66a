"""Certificates as a generator process gets them: paths as text, and the TLS context made of them."""

import ssl

import msgspec

from dtc_cli.core.target import TlsFiles


class Papers(msgspec.Struct, frozen=True):
    """Whom a generator believes, and what it shows of itself (mutual TLS, P3 8.2.3)."""

    ca: str | None = None
    """PEM file of the authorities; None: those of the system."""
    cert: str | None = None
    key: str | None = None

    @classmethod
    def of(cls, files: TlsFiles) -> "Papers":
        """Those that the target file names for a door."""
        return cls(*(str(path) if path else None for path in (files.ca, files.cert, files.key)))

    def context(self) -> ssl.SSLContext:
        """A context that checks the server, and shows the certificate where there is one.

        Raises:
            OSError: a file cannot be used (`ssl.SSLError` is one).
        """
        context = ssl.create_default_context(cafile=self.ca)
        if self.cert and self.key:
            context.load_cert_chain(self.cert, self.key)
        return context
