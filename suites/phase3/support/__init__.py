"""What the phase 3 suites share."""
