"""What a report lists of a net: each module that holds no other, as a pass calls it."""

from __future__ import annotations

from hubel.anatomy.leaves import leaves
from hubel.models import create_model


def test_all_parameters_of_a_recurrent_net_stand_in_the_list() -> None:
    net = create_model("lstm_rows", num_classes=10, in_chans=1, img_size=28)
    found = leaves(net, (1, 28, 28))
    assert [leaf.kind for leaf in found if leaf.parameters] == ["LSTM", "Linear"]
    assert sum(leaf.parameters for leaf in found) == sum(parameter.numel() for parameter in net.parameters())
    assert next(leaf.output for leaf in found if leaf.kind == "LSTM") == (28, 128)
