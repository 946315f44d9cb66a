"""What is tested: one package per part of the standard."""
