"""How long the routers take and what memory they need at the paper's sizes (make bench); no test of pytest's."""
