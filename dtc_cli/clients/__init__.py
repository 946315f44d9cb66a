"""How a twin is reached: HTTP, documents, validators; each exchange recorded and redacted."""
