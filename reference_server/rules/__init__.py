"""The rules of phase 1 as this server enforces them.

On its own data, on what clients write, and in `validate`.

Each module judges one part of a record and adds what it finds to a `Findings`; nothing stops at the first.
"""
