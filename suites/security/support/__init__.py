"""What several security suites use."""
