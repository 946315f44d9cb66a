"""The MQTT 5 endpoint: one broker inside the server, on the sans-I/O codec `mqtt5` (P3 4.2)."""
