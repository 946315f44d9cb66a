"""What the performance suites share."""
