"""Models' weights: fetched once, checked, kept."""
