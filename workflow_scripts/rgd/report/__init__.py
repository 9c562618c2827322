"""The page of an experiment: one file to view offline."""
