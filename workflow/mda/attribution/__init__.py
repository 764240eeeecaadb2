"""Probes, curvature, and the influence of training samples on units."""
