"""Where the twin keeps its state: one async protocol, and SQLite behind it."""
