"""The case of one certification: its seven steps (P4 8.2), who confirmed what, and what is missing."""
