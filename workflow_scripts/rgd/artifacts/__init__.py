"""Files of the workflow: how they are read and written, their columns, and what made them."""
