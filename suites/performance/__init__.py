"""The performance suites (P4 8.3): what the standard asks for in figures."""
