"""Recipe, defaults, optimisers, schedules, the loop that yields events, and what resuming needs."""
