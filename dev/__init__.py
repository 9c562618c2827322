"""Makers of what lies in the repository and was made once; nothing here runs in a study."""
