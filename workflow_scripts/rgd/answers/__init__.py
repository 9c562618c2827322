"""Extraction and comparison of the answers that models give."""
