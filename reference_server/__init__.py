"""The reference twin: a city's digital twin behind the standard's REST interface, with nothing to set up.

It shares no code with the judge; the two meet on sockets only.
"""

VERSION = "0.1.0"
STANDARD = "wia-digital-twin-city/1.0.0"
