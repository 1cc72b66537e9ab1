"""Data care: what is probably wrong with pictures and labels, found by numbers and ranked with the reason."""
