import pytest

from fmri_saliency.errors import DecoderError
from fmri_saliency.models import make_network, network_names, networks


def test_the_names_are_those_of_the_networks_that_are_built():
    assert network_names() == sorted(networks._NETWORKS)


def test_recurrent_networks_go_by_direction_attention_and_cell():
    some = {"lstm", "bi-gru", "input-cell-rnn", "bi-input-cell-lstm", "input-cell-lstm-max-pooling"}
    assert some <= set(network_names())
    with pytest.raises(DecoderError, match="input-cell-lstm"):
        make_network("input-cel-lstm", 3, 2)
