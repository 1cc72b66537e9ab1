"""Many nearly equal pictures through a net, computed only where they differ."""
