"""Training queries written by a model: the messages it gets, the block it returns, which draws are kept."""
