"""Several runs beside each other: what became better or worse, who meets what, how it went over time."""
