"""Whole cities in and out: reading large bodies row by row, judging them in a process of their own."""
