"""Security (P4 8.3): attacks on the run's own things, beside proofs that an honest answer was possible."""
