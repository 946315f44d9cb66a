"""Single holes of other makers' security: the bundled twin behind a door that does one thing wrong.

Written from the catalogue and the OWASP API Security Top 10 alone, none from the suites' own vectors; none is
among the faults of the bundled twin. `scripts/prove security-holes` judges each with its requirement.
"""

from tests.support.holes_content import CONTENT
from tests.support.holes_entry import ENTRY

HOLES = (*ENTRY, *CONTENT)
