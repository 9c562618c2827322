"""Tables and figures made from result cells."""
