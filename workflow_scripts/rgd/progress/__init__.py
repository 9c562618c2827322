"""What a person sees of a run: its stages, its jobs, the time they take, and what failed."""
