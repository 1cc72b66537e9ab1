"""A trained run behind HTTP: the guard at the door, the page to try it, worker processes that decode and compute."""
