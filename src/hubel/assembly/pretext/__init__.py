"""Learning without labels: what is fed, how it is measured while it learns, and what the features are worth."""
