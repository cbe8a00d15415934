"""Input-cell layers against the equations, the published cells, and their own properties."""

import warnings
from itertools import product
from pathlib import Path

import direct
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from fmri_saliency.errors import DecoderError
from fmri_saliency.models import FORMS, InputCellGRU, InputCellLSTM, InputCellRNN
from fmri_saliency.models.recurrent import run_recurrence

REFERENCE = Path(__file__).parent / "input_cell_reference.npz"
CELLS = (InputCellLSTM, InputCellGRU, InputCellRNN)
SMALL = {"hops": 3, "attention_size": 4}


def draw(seed: int, *shape: int, scale: float = 1.0) -> Tensor:
    return scale * torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def make(cell: type, seed: int = 0, **settings: object) -> nn.Module:
    torch.manual_seed(seed)
    return cell(5, 4, **{**SMALL, **settings}).double()


def last_of(state: object) -> tuple[Tensor, ...]:
    return state if isinstance(state, tuple) else (state,)


@pytest.mark.parametrize(("cell", "form", "both"), list(product(CELLS, FORMS, [False, True])))
@pytest.mark.parametrize("extra", [{}, {"num_layers": 2, "current_input": True, "window": 4}], ids=["plain", "all"])
def test_equals_the_equations(cell: type, form: str, both: bool, extra: dict) -> None:
    """Forward, gradient to input and parameters, and the second derivative."""
    layer = make(cell, form=form, bidirectional=both, **extra)
    x = draw(1, 2, 11, 5).requires_grad_()
    hidden, state = layer(x)
    wanted, h, c = direct.input_cell(layer, x)
    torch.testing.assert_close(hidden, wanted, rtol=0, atol=1e-12)
    for one, other in zip(last_of(state), (h, c), strict=False):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)
    weight, parameters = draw(2, *hidden.shape), (x, *layer.parameters())
    first = torch.autograd.grad((hidden * weight).sum(), parameters, create_graph=True)
    again = torch.autograd.grad((wanted * weight).sum(), parameters, create_graph=True)
    for one, other in zip(first, again, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-11)
    second, other = (torch.autograd.grad(g[0].pow(2).sum(), (x, *parameters[1:]), allow_unused=True)
                     for g in (first, again))  # fmt: skip
    for one, two in zip(second, other, strict=True):
        torch.testing.assert_close(torch.zeros(()) if one is None else one, torch.zeros(()) if two is None else two,
                                   rtol=0, atol=1e-10, check_dtype=False)  # fmt: skip


@pytest.mark.parametrize(("cell", "both", "extra"), list(product(CELLS, [False, True], [False, True])))
@pytest.mark.parametrize("form", ["mean", "flatten"])
@pytest.mark.parametrize("chunk", [None, 4])
@pytest.mark.parametrize("scale", [1.0, 300.0])
def test_projecting_first_changes_nothing(
    cell: type, both: bool, extra: bool, form: str, scale: float, chunk: int | None
) -> None:
    """With more regions than gates, what is read is never made; sharp scores take the other way."""
    torch.manual_seed(0)
    layer = cell(20, 3, 2, 4, form, 1, both, current_input=extra, chunk_size=chunk).double()
    with torch.no_grad():
        layer.directions[0].attention.second.weight *= scale
    x = draw(1, 2, 15, 20).requires_grad_()
    hidden, state = layer(x)
    wanted, h, c = direct.input_cell(layer, x)
    torch.testing.assert_close(hidden, wanted, rtol=0, atol=1e-12)
    for one, other in zip(last_of(state), (h, c), strict=False):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)
    parameters = (x, *layer.parameters())
    for one, other in zip(torch.autograd.grad(hidden.pow(2).sum(), parameters),
                          torch.autograd.grad(wanted.pow(2).sum(), parameters), strict=True):  # fmt: skip
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-11)
    again, last = layer(x[:, :5], state)
    through, end = run_recurrence(layer.directions[0].recurrence, layer.directions[0].attention(x[:, :5]),
                                  tuple(s[:1] for s in state) if isinstance(state, tuple) else state[:1])  # fmt: skip
    torch.testing.assert_close(again[..., :3], through, rtol=0, atol=1e-12)
    torch.testing.assert_close(last_of(last)[0][:1], last_of(end)[0], rtol=0, atol=1e-12)


def reference(case: str) -> dict[str, Tensor]:
    with np.load(REFERENCE) as file:
        return {k.split("/")[1]: torch.from_numpy(file[k]) for k in file.files if k.split("/")[0] == case}


def published(case: str, dtype: torch.dtype, chunk: int = 16) -> tuple[nn.Module, dict[str, Tensor]]:
    known = reference(case)
    form = "flatten_l2" if case.startswith("flatten") else "mean"
    layer = InputCellLSTM(7, 5, hops=4, attention_size=6, form=form, chunk_size=chunk)
    one = "directions.0."
    layer.load_state_dict(
        {
            one + "attention.first.weight": known["attention_first_weight"],
            one + "attention.first.bias": known["attention_first_bias"],
            one + "attention.second.weight": known["attention_second_weight"],
            one + "attention.second.bias": known["attention_second_bias"],
            one + "recurrence.weight_ih_l0": known["gate_input_weight"].T,
            one + "recurrence.weight_hh_l0": known["gate_hidden_weight"].T,
            one + "recurrence.bias_ih_l0": known["gate_bias"],
            one + "recurrence.bias_hh_l0": torch.zeros(20, dtype=torch.float64),
        }
    )
    layer = layer.to(dtype)
    if dtype == torch.float64:  # load_state_dict copies into float32
        for name, value in published_values(known).items():
            with torch.no_grad():
                layer.get_parameter(one + name).copy_(value)
    return layer, known


def published_values(known: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        "attention.first.weight": known["attention_first_weight"],
        "attention.first.bias": known["attention_first_bias"],
        "attention.second.weight": known["attention_second_weight"],
        "attention.second.bias": known["attention_second_bias"],
        "recurrence.weight_ih_l0": known["gate_input_weight"].T,
        "recurrence.weight_hh_l0": known["gate_hidden_weight"].T,
        "recurrence.bias_ih_l0": known["gate_bias"],
    }


CASES = ("mean_rows", "mean_rows_sharp", "flatten_l2", "flatten_l2_sharp")


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("chunk", [4, 16])
def test_equals_the_published_cells(case: str, chunk: int) -> None:
    layer, known = published(case, torch.float64, chunk)
    x = known["x"].clone().requires_grad_()
    hidden, (_, cell) = layer(x)
    (gradient,) = torch.autograd.grad((hidden[:, -1] @ known["readout"]).sum(), x)
    torch.testing.assert_close(hidden, known["hidden_sequence"], rtol=0, atol=1e-12)
    torch.testing.assert_close(cell[0], known["last_cell_state"], rtol=0, atol=1e-12)
    torch.testing.assert_close(gradient, known["input_gradient"], rtol=0, atol=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_single_precision_is_close_to_the_published_cells(case: str) -> None:
    layer, known = published(case, torch.float32)
    x = known["x"].float().requires_grad_()
    hidden, _ = layer(x)
    (gradient,) = torch.autograd.grad((hidden[:, -1] @ known["readout"].float()).sum(), x)
    for one, other in ((hidden, known["hidden_sequence"]), (gradient, known["input_gradient"])):
        size = other.abs().max()
        assert ((one.double() - other).abs().max() / size).item() < 1e-5


@pytest.mark.parametrize(("cell", "both", "layers"), list(product(CELLS, [False, True], [1, 2])))
def test_a_padded_batch_gives_what_each_sample_gives_alone(cell: type, both: bool, layers: int) -> None:
    layer = make(cell, bidirectional=both, num_layers=layers)
    lengths = torch.tensor([3, 9, 1, 6])
    x = draw(1, 4, 9, 5)
    for k, n in enumerate(lengths):
        x[k, n:] = float("nan")  # whatever lies behind a sample must not be read
    x.requires_grad_()
    hidden, state = layer(x, lengths=lengths)
    (gradient,) = torch.autograd.grad(hidden.pow(2).sum(), x)
    for k, n in enumerate(lengths.tolist()):
        one = x[k : k + 1, :n].detach().requires_grad_()
        alone, last = layer(one)
        torch.testing.assert_close(hidden[k : k + 1, :n], alone, rtol=0, atol=1e-12)
        assert (hidden[k, n:] == 0).all()
        for all_states, its in zip(last_of(state), last_of(last), strict=True):
            torch.testing.assert_close(all_states[:, k], its[:, 0], rtol=0, atol=1e-12)
        torch.testing.assert_close(gradient[k, :n], torch.autograd.grad(alone.pow(2).sum(), one)[0][0], rtol=0,
                                   atol=1e-12)  # fmt: skip
        assert (gradient[k, n:] == 0).all()


@pytest.mark.parametrize("cell", CELLS)
def test_it_is_called_and_answers_like_torch(cell: type) -> None:
    plain = cell.cell(5, 4, num_layers=2, bidirectional=True, batch_first=True)
    layer = make(cell, num_layers=2, bidirectional=True).float()
    x = draw(1, 3, 7, 5).float()
    (hidden, state), (wanted, known) = layer(x), plain(x)
    assert hidden.shape == wanted.shape
    assert [s.shape for s in last_of(state)] == [s.shape for s in last_of(known)]
    hidden, last = layer(x[:, :4], state)
    assert not torch.equal(hidden, layer(x[:, :4])[0])
    assert [s.shape for s in last_of(last)] == [s.shape for s in last_of(state)]


def test_a_state_goes_on_where_a_recurrence_stopped() -> None:
    layer = make(InputCellLSTM, window=1)  # reads the current input only, so the state is all there is
    x = draw(1, 2, 12, 5)
    whole, last = layer(x)
    first, state = layer(x[:, :7])
    second, end = layer(x[:, 7:], state)
    torch.testing.assert_close(torch.cat([first, second], dim=1), whole, rtol=0, atol=1e-14)
    torch.testing.assert_close(end[1], last[1])
    plain = nn.LSTM(5, 4, batch_first=True).double()
    plain.load_state_dict(layer.directions[0].recurrence.state_dict())
    torch.testing.assert_close(plain(x)[0], whole, rtol=0, atol=1e-14)  # a window of 1 is no attention at all


@pytest.mark.parametrize("cell", CELLS)
@given(order=st.permutations(range(5)))
def test_permuting_regions_permutes_the_gradient(cell: type, order: list[int]) -> None:
    layer, other, x = make(cell), make(cell), draw(2, 2, 12, 5)
    with torch.no_grad():
        one, two = layer.directions[0], other.directions[0]
        two.attention.first.weight.copy_(one.attention.first.weight[:, order])
        two.recurrence.weight_ih_l0.copy_(one.recurrence.weight_ih_l0[:, order])
    maps = []
    for net, inputs in ((layer, x), (other, x[:, :, order])):
        inputs = inputs.clone().requires_grad_()
        maps.append(torch.autograd.grad(net(inputs)[0][:, -1].sum(), inputs)[0])
    torch.testing.assert_close(maps[0][:, :, order], maps[1], rtol=0, atol=1e-12)


@given(st.integers(1, 30), st.integers(1, 4), st.sampled_from(FORMS))
def test_chunks_and_batches_change_nothing(chunk: int, n: int, form: str) -> None:
    layer, x = make(InputCellLSTM, form=form), draw(n, 5, 23, 5)
    other = make(InputCellLSTM, form=form, chunk_size=chunk)
    whole = layer(x)[0]
    torch.testing.assert_close(other(x)[0], whole, rtol=0, atol=1e-13)
    torch.testing.assert_close(layer(x[n : n + 1])[0], whole[n : n + 1], rtol=0, atol=1e-13)


@pytest.mark.parametrize("cell", CELLS)
def test_one_step_and_one_hop(cell: type) -> None:
    layer = make(cell, hops=1)
    x = draw(1, 2, 1, 5)
    plain = cell.cell(5, 4, batch_first=True).double()
    plain.load_state_dict(layer.directions[0].recurrence.state_dict())
    torch.testing.assert_close(layer(x)[0], plain(x)[0])  # the only input is all that can be read


@pytest.mark.parametrize("cell", CELLS)
def test_weights_come_back_by_state_dict(cell: type) -> None:
    layer, other, x = make(cell, 0, num_layers=2), make(cell, 1, num_layers=2), draw(1, 2, 8, 5)
    assert not torch.equal(layer(x)[0], other(x)[0])
    other.load_state_dict(layer.state_dict())
    assert torch.equal(layer(x)[0], other(x)[0])


@pytest.mark.parametrize(("cell", "form"), list(product(CELLS, FORMS)))
def test_compile_captures_the_whole_graph(cell: type, form: str) -> None:
    layer, x = make(cell, form=form).float(), draw(1, 2, 21, 5).float()
    whole = torch.compile(layer.directions[0].attention, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(whole(x), layer.directions[0].attention(x), rtol=1e-5, atol=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, about its recurrent layers
        torch.testing.assert_close(torch.compile(layer, backend="aot_eager")(x)[0], layer(x)[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_export_gives_a_program_that_answers_alike(form: str) -> None:
    layer, x = make(InputCellLSTM, form=form).float().eval(), draw(1, 2, 21, 5).float()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(layer, (x,))
    torch.testing.assert_close(program.module()(x)[0], layer(x)[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_the_attention_works_under_vmap_and_jacrev(form: str) -> None:
    layer, x = make(InputCellLSTM, form=form).directions[0].attention, draw(1, 3, 9, 5)
    many = torch.func.vmap(lambda one: layer(one.unsqueeze(0)).squeeze(0))(x)
    torch.testing.assert_close(many, layer(x), rtol=0, atol=1e-13)
    jacobian = torch.func.jacrev(lambda one: layer(one.unsqueeze(0))[0, -1].sum())(x[0])
    inputs = x[:1].clone().requires_grad_()
    torch.testing.assert_close(jacobian, torch.autograd.grad(layer(inputs)[0, -1].sum(), inputs)[0][0])


@pytest.mark.parametrize(("cell", "form"), list(product(CELLS, FORMS)))
def test_autocast_to_half_precision_stays_finite(cell: type, form: str) -> None:
    layer, x = make(cell, form=form).float(), draw(1, 2, 40, 5, scale=3.0).float().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        hidden, _ = layer(x)
    (gradient,) = torch.autograd.grad(hidden.float().sum(), x)
    assert torch.isfinite(hidden).all()
    assert torch.isfinite(gradient).all()
    torch.testing.assert_close(hidden.float(), layer(x)[0], rtol=0, atol=0.2)


@pytest.mark.parametrize("cell", CELLS)
def test_one_message_for_each_wrong_call(cell: type) -> None:
    layer = make(cell)
    with pytest.raises(DecoderError, match=r"reads \(batch, time, 5\) of at least one step; \(2, 3, 4\) came"):
        layer(torch.zeros(2, 3, 4).double())
    with pytest.raises(DecoderError, match=r"\(2, 0, 5\) came"):
        layer(torch.zeros(2, 0, 5).double())
    x = draw(1, 2, 3, 5)
    for lengths in (torch.tensor([1, 4]), torch.tensor([0, 2]), torch.tensor([1]), torch.tensor([1.0, 2.0])):
        with pytest.raises(DecoderError, match="lengths must be 2 whole numbers between 1 and 3"):
            layer(x, lengths=lengths)
    with pytest.raises(DecoderError, match="hidden_size and num_layers must be at least 1"):
        cell(5, 0)


@pytest.mark.parametrize("cell", CELLS)
def test_functional_derivatives_of_the_whole_layer(cell: type) -> None:
    layer, x = make(cell), draw(1, 1, 9, 5).requires_grad_()
    jacobian = torch.func.jacrev(lambda one: layer(one)[0][0, -1])(x.detach())
    for unit in range(4):
        (wanted,) = torch.autograd.grad(layer(x)[0][0, -1, unit], x)
        torch.testing.assert_close(jacobian[unit], wanted)
    with pytest.raises(RuntimeError, match=r"[Bb]atching rule"):  # torch's recurrences have none
        torch.func.vmap(lambda one: layer(one.unsqueeze(0))[0])(x)


@pytest.mark.parametrize(("cell", "n_regions"), list(product(CELLS, [5, 25])))
def test_a_state_of_another_shape_is_refused(cell: type, n_regions: int) -> None:
    """Torch's kernels do not look at it where the projection comes first (25 regions), and read beyond its end."""
    layer, x = cell(n_regions, 4, **SMALL), torch.zeros(2, 5, n_regions)
    pair = cell is InputCellLSTM
    for shape in ((1, 1, 4), (1, 3, 4), (1, 2, 64), (3, 2, 4), (2, 4)):
        state = (torch.zeros(shape),) * 2 if pair else torch.zeros(shape)
        with pytest.raises(DecoderError, match=r"must be .* of shape \(1, 2, 4\) \(layers"):
            layer(x, state)
    wrong = torch.zeros(1, 2, 4) if pair else (torch.zeros(1, 2, 4),) * 2
    with pytest.raises(DecoderError, match="a pair" if pair else "one tensor"):
        layer(x, wrong)
    with pytest.raises(DecoderError, match="must be"):
        layer(x, [torch.zeros(1, 2, 4)] * 2)


@pytest.mark.parametrize(("cell", "form"), list(product(CELLS, ["mean", "flatten"])))
def test_projecting_first_in_single_precision_twice_and_compiled(cell: type, form: str) -> None:
    torch.manual_seed(0)
    layer = cell(25, 4, 3, 4, form)
    x = draw(1, 2, 21, 25).float().requires_grad_()
    hidden, _ = layer(x)
    twin = cell(25, 4, 3, 4, form).double()
    twin.load_state_dict({name: value.double() for name, value in layer.state_dict().items()})
    wide = x.detach().double().requires_grad_()
    wanted = direct.input_cell(twin, wide)[0]
    torch.testing.assert_close(hidden.double(), wanted, rtol=1e-5, atol=1e-6)
    first = torch.autograd.grad(hidden.pow(2).sum(), x, create_graph=True)[0]
    again = torch.autograd.grad(wanted.pow(2).sum(), wide, create_graph=True)[0]
    torch.testing.assert_close(first.double(), again, rtol=1e-4, atol=1e-5)
    second = torch.autograd.grad(first.pow(2).sum(), x)[0]
    torch.testing.assert_close(second.double(), torch.autograd.grad(again.pow(2).sum(), wide)[0], rtol=1e-3, atol=1e-4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(layer, (x.detach(),), dynamic_shapes=({0: torch.export.Dim("batch")},))
    more = draw(3, 5, 21, 25).float()
    torch.testing.assert_close(program.module()(more)[0], layer(more)[0], rtol=1e-5, atol=1e-6)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.isfinite(layer(x)[0]).all()


@pytest.mark.parametrize("cell", CELLS)
def test_a_given_state_reaches_every_layer_and_direction(cell: type) -> None:
    """With a window of 1 there is no attention, and the layer is torch's own."""
    layer = make(cell, num_layers=3, bidirectional=True, window=1)
    plain = cell.cell(5, 4, num_layers=3, bidirectional=True, batch_first=True).double()
    values = {}
    for number, direction in enumerate(layer.directions):
        for name, value in direction.recurrence.state_dict().items():
            values[name + ("_reverse" if number else "")] = value
    for name, value in layer.upper.state_dict().items():
        level = int(name.split("_l")[1][0])
        values[name.replace(f"_l{level}", f"_l{level + 1}")] = value
    plain.load_state_dict(values)
    x = draw(1, 2, 7, 5)
    parts = draw(2, 6, 2, 4), draw(3, 6, 2, 4)
    state = parts if cell is InputCellLSTM else parts[0]
    (hidden, last), (wanted, known) = layer(x, state), plain(x, state)
    torch.testing.assert_close(hidden, wanted, rtol=0, atol=1e-14)
    for one, other in zip(last_of(last), last_of(known), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-14)
