"""What the phase 2 suites share: reading answers and lists, own evaluation of filters, the test data."""
