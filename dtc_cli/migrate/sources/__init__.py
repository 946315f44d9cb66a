"""Readers of legacy data: each format behind one interface, `Source`."""
