"""The REST interface: parse, call a service, encode. No rule of the domain lives here."""
