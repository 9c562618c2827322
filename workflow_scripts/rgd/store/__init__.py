"""Answers kept for ever (``answers``), and asking for those that are missing (``fill``)."""
