"""Signing what a run found, and checking such a package without trusting its maker."""
