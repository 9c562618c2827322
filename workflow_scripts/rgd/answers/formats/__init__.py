"""One module for each format of answers that come from elsewhere."""
