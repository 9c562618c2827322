"""From a text that a model wrote to an answer."""
