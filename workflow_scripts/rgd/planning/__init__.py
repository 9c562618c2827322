"""What a run would do and why, how a file was made, adopting results from elsewhere, pruning unneeded results."""
