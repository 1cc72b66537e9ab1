"""A trained net made small: weights pruned, values shared, what is left trained again (behind `hubel.compress`)."""
