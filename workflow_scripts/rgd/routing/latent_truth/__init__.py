"""The model behind the router latent_truth: who is right, told from agreement alone."""
