"""One page a paper: the builders of the nets in the catalogue."""
