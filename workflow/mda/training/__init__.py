"""Schedules, and training along them."""
