"""The page on which people look at an experiment: one file, offline."""
