"""A classifier as one page of HTML: its net as a short list of operations, and what runs them in a browser."""
