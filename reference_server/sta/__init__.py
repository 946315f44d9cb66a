"""A read-only OGC SensorThings API 1.1 view of a city (D-32): entities, relations, query options."""
