"""The suites are ordinary pytest tests; the harness's plugin gives them the twin and writes the evidence."""

pytest_plugins = ["dtc_cli.harness.plugin"]
