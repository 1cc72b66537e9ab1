"""Settings and nets tried within a budget that holds, and ensembles of what was found."""
