"""Certificates and the public register of them: credentials, badges, an append-only log."""
