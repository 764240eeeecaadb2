"""Architectures, their units, and what is measured of a model."""
