"""The arithmetic of each study."""
