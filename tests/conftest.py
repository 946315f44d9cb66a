"""For all tests: what a program prints does not depend on the width of whoever runs the tests."""

import os

# Workers of a parallel run inherit the width of some terminal; programs that tests start would use it.
os.environ["COLUMNS"] = "120"
