"""Transfer: a trained net as the start of another training.

The net and its preprocessing come from the source; the head is new, but where masks or embeddings are learnt and it
fits them as it is. `source` finds the net and takes its weights over, `study` looks how well its stages tell the new
classes apart, `plan` decides how much of it learns again, and `head` fits a head to a net that is only run once. The
arithmetic behind them is in `hubel.training.transfer`, `features` and `heads`.
"""
