"""The suites of phase 3: stream, broker and TLS."""
