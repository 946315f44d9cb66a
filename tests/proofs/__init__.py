"""Long proofs, one module each, run by `scripts/prove NAME`."""
