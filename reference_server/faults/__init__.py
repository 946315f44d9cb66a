"""Deliberate defects, so that each test of a suite can be shown to fail.

A fault replaces a function of the server by one that is wrong in one way, before anything is started. Without
`--fault` nothing is replaced, and no answer tells which fault is at work. `table` lists them all; `refusals`
is the part that the validator needs.
"""
