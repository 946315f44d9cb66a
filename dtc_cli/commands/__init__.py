"""One thin module per command: parse options, call below, print."""
