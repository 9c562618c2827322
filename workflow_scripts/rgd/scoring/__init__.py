"""Scores of routers: cells, references, metrics, statistics."""
