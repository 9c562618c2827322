"""What a run would do and why, how a file came about, results taken over from elsewhere, results that nobody needs."""
