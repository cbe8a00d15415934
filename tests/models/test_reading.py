"""What attention reads over time is what the layers say, step by step."""

import pytest
import torch

from fmri_saliency.errors import DecoderError
from fmri_saliency.models import attention_over_time, make_network, readout_over_time


def test_rows_are_the_weights_of_each_step() -> None:
    x = torch.randn(3, 7, 4)
    network = make_network("bi-input-cell-gru", 4, 2, hidden_size=3, hops=2, window=3)
    found = attention_over_time(network, x)
    torch.testing.assert_close(found.sum(dim=1), torch.ones(7))
    assert not found.triu(1).any()
    assert not found.tril(-3).any()  # the window
    scores = network.encoder.directions[0].attention.scores(x)  # (batch, time, hops)
    by_hand = scores[:, 3:6].softmax(dim=1).mean(dim=(0, 2))
    torch.testing.assert_close(found[5, 3:6], by_hand)
    assert not found.requires_grad


def test_readouts_have_one_weight_per_step() -> None:
    x = torch.randn(3, 7, 4)
    network = make_network("lstm-self-attention", 4, 2, hidden_size=3).eval()
    found = readout_over_time(network, x)
    assert found.shape == (7,)
    assert float(found.sum()) == pytest.approx(1.0)
    hidden, _ = network.encoder(x, None, None)
    torch.testing.assert_close(found, network.readout.score(hidden)[..., 0].softmax(dim=1).mean(dim=0))


@pytest.mark.parametrize("function", [attention_over_time, readout_over_time])
def test_networks_without_attention_are_refused(function: object) -> None:
    for name in ("tcn", "lstm"):
        with pytest.raises(DecoderError, match="Only networks"):
            function(make_network(name, 4, 2), torch.randn(1, 7, 4))
