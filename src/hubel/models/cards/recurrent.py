"""Recurrent nets that read a picture row by row."""

from hubel.models.cards import Card

_ROWS = "One row of pixels is one step; 28 rows of 28 pixels for a digit. 128 units, one layer by default."

CARDS = (
    Card(
        name="rnn_rows",
        builder_at="recurrent:rnn_rows",
        title="RNN over rows",
        year=1990,
        reference="J. Elman, Finding structure in time, Cognitive Science 14, 1990",
        novelty="The state of the step before comes in again: a net with memory.",
        num_classes=10,
        img_size=28,
        in_chans=1,
        params=21_514,
        notes=(_ROWS, "Recurrent weights start orthogonal, so that 28 steps neither fade nor explode at first."),
        rows=("S74",),
        tags=("small", "sequence", "signals", "steps", "recurrent"),
    ),
    Card(
        name="lstm_rows",
        builder_at="recurrent:lstm_rows",
        title="LSTM over rows",
        year=1997,
        reference="S. Hochreiter, J. Schmidhuber, Long short-term memory, Neural Computation 9, 1997",
        novelty="A cell that adds instead of multiplying, guarded by gates: errors travel over hundreds of steps.",
        num_classes=10,
        img_size=28,
        in_chans=1,
        params=82_186,
        notes=(_ROWS, "With the forget gate of Gers et al. 2000, open at first (bias 1)."),
        rows=("S74",),
        tags=("small", "sequence", "signals", "steps", "recurrent"),
    ),
    Card(
        name="gru_rows",
        builder_at="recurrent:gru_rows",
        title="GRU over rows",
        year=2014,
        reference="K. Cho et al., Learning phrase representations using RNN encoder-decoder, 2014, arXiv 1406.1078",
        novelty="Two gates instead of three and no separate cell: three quarters of the LSTM's weights.",
        num_classes=10,
        img_size=28,
        in_chans=1,
        params=61_962,
        notes=(_ROWS,),
        rows=("S74",),
        tags=("small", "sequence", "signals", "steps", "recurrent"),
    ),
)
