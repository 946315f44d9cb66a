"""Six simple published models, pure functions of parameters and of the city's own objects.

Each takes a `Case` and gives the `results` of P1 4.4. Validated models take their place behind the same call.
"""
