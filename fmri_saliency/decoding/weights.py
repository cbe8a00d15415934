"""A trained decoder on disk: tensors as safetensors, the rest as JSON, nothing pickled."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from fmri_saliency.decoding.decoder import TaskDecoder
from fmri_saliency.decoding.settings import Architecture, Training
from fmri_saliency.disk.files import atomic_path, read_record, remove, write_json
from fmri_saliency.disk.sources import check_content, hash_file
from fmri_saliency.errors import DamagedError, InputError

__all__ = ["load_decoder", "read_decoder_card", "save_decoder"]

FIELDS = {"network": str | None, "architecture": dict, "training": dict, "seed": int, "classes": list,
          "n_regions": int, "n_times": int, "history": list, "stopped_by": str}  # fmt: skip
"""What a decoder's JSON says."""
STEP = "train CONFIG.toml"


def save_decoder(decoder: TaskDecoder, folder: Path, extra: dict[str, Any] | None = None) -> None:
    """Write ``weights.safetensors`` and, last, ``model.json`` into `folder`.

    `extra` is written into the JSON under its own keys. Of a network that was given as a module or a
    function only the weights are kept: hand it to :func:`load_decoder` again.
    """
    folder = Path(folder)
    tensors = {name: value.detach().cpu().contiguous() for name, value in decoder.module_.state_dict().items()}
    remove(folder / "model.json")
    tensors = {name: value.clone() for name, value in tensors.items()}  # tied weights share memory
    with atomic_path(folder / "weights.safetensors") as temporary:
        save_file(tensors, temporary)
    card = {
        "network": decoder.network if isinstance(decoder.network, str) else None,
        "architecture": asdict(decoder.architecture or Architecture()),
        "training": asdict(decoder.training or Training()),
        "seed": decoder.seed,
        "classes": decoder.classes_.tolist(),
        "n_regions": decoder.n_regions_in_,
        "n_times": decoder.n_times_in_,
        "epochs": len(decoder.history_),
        "stopped_by": decoder.stopped_by_,
        "history": decoder.history_,
        "SHA256": hash_file(folder / "weights.safetensors"),
        **(extra or {}),
    }
    write_json(folder / "model.json", card)


def read_decoder_card(folder: Path) -> tuple[dict[str, Any], Architecture, Training]:
    """Read ``model.json`` of a decoder, with its architecture and its training.

    Raises
    ------
    InputError
        If there is none; :class:`~fmri_saliency.errors.DamagedError` if it does not describe a decoder.
    """
    path = Path(folder) / "model.json"
    card = read_record(path, FIELDS, STEP)
    try:
        return card, Architecture(**card["architecture"]), Training(**card["training"])
    except (TypeError, ValueError, InputError) as error:
        raise DamagedError(f"{path} is damaged: it does not describe a network and its training ({error}). "
                           f"`fmri-saliency {STEP}` makes it again.", path) from None


def load_decoder(folder: Path, device: str = "cpu", threads: int = 1, network: Any = None) -> TaskDecoder:
    """Read what :func:`save_decoder` wrote, ready to predict.

    Parameters
    ----------
    folder : Path
    device : str
    threads : int
    network : torch.nn.Module or callable, optional
        Needed when the decoder was made of one instead of a name.

    Raises
    ------
    InputError
        If a file is missing or damaged, or the network is needed and not given.
    """
    folder = Path(folder)
    card, *settings = read_decoder_card(folder)
    if card["network"] is None and network is None:
        raise InputError(f"The decoder in {folder} was made of a network of one's own: give it as `network`.")
    decoder = TaskDecoder(card["network"] or network, *settings, card["seed"], device, threads)
    decoder.classes_ = np.array(card["classes"])
    decoder.n_regions_in_, decoder.n_times_in_ = card["n_regions"], card["n_times"]
    decoder.history_, decoder.stopped_by_ = card["history"], card["stopped_by"]
    module = decoder.build_module()
    if (folder / "weights.safetensors").is_file():
        check_content(folder / "weights.safetensors", card.get("SHA256"), STEP)
    try:
        module.load_state_dict(load_file(folder / "weights.safetensors", device=device))
    except (OSError, SafetensorError, RuntimeError) as error:
        path = folder / "weights.safetensors"
        raise DamagedError(f"The weights {path} do not fit model.json: {error}. `fmri-saliency {STEP}` makes them "
                           "again.", path) from None
    decoder.module_ = module.eval()
    return decoder
