"""Figures: functions from tables to matplotlib figures, readable at paper size."""
