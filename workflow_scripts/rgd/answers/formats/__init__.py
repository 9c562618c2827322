"""One module for each format of answers that others have written."""
