"""What may be configured, and what must hold between settings."""
