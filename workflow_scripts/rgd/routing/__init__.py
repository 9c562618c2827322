"""What routers stand on: consensus, votes, clusters, neighbours, prices, training sets."""
