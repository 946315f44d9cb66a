"""Certify, learn, migrate, simulate and load digital twins of cities (WIA Digital Twin City standard)."""

__version__ = "0.1.0"
