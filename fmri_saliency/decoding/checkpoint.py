"""Training that goes on where it was stopped: everything an epoch leaves behind, on disk."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from skorch.callbacks import Callback, EarlyStopping
from skorch.history import History

from fmri_saliency.disk.files import atomic_path

__all__ = ["EpochCheckpoint"]


class EpochCheckpoint(Callback):
    """Write the state of training after every epoch, and begin from it if it is there.

    The weights, the optimizer's moments, the best weights so far, the state of the random
    generators and the history go into one safetensors file; nothing is pickled. Training
    that was stopped after any epoch ends with the same weights as training that was not.

    Parameters
    ----------
    path : Path
        The file. A state of other samples or settings in it is ignored and overwritten.
    inputs : str
        What identifies samples and settings.

    Attributes
    ----------
    stop : EarlyStopping or None
        The callback whose counters belong to the state; it must come before this one.
    """

    def __init__(self, path: Path, inputs: str) -> None:
        self.path = Path(path)
        self.inputs = inputs
        self.stop: EarlyStopping | None = None

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        """Restore the last epoch's state, and ask for the epochs that are left."""
        found = self._read(net)
        if found is None:
            return
        card, tensors = found
        net.module_.load_state_dict(_below(tensors, "module"))
        moments = {int(k): _below(tensors, f"optimizer.{k}") for k in card["parameters"]}
        net.optimizer_.load_state_dict({"state": moments, "param_groups": net.optimizer_.state_dict()["param_groups"]})
        net.history_ = History(card["history"])
        net.max_epochs = max(0, net.max_epochs - len(card["history"]))
        if self.stop is not None:
            self.stop.misses_, self.stop.best_epoch_ = card["misses"], card["best_epoch"]
            self.stop.dynamic_threshold_ = float(card["threshold"])
            self.stop.best_model_weights_ = _below(tensors, "best") or None
        torch.set_rng_state(tensors["random.cpu"].cpu())
        if "random.device" in tensors:
            torch.cuda.set_rng_state(tensors["random.device"].cpu(), net.device)

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Write the state, whole or not at all."""
        moments = net.optimizer_.state_dict()["state"]
        tensors = {f"module.{name}": value for name, value in net.module_.state_dict().items()}
        for number, values in moments.items():
            tensors.update({f"optimizer.{number}.{name}": value for name, value in values.items()})
        tensors["random.cpu"] = torch.get_rng_state()
        if str(net.device).startswith("cuda"):
            tensors["random.device"] = torch.cuda.get_rng_state(net.device)
        rows = [{k: v for k, v in row.items() if k != "batches"} for row in net.history.to_list()]
        card: dict[str, Any] = {"inputs": self.inputs, "history": rows, "parameters": [str(k) for k in moments]}
        if self.stop is not None:
            best = self.stop.best_model_weights_ or {}
            tensors.update({f"best.{name}": value for name, value in best.items()})
            card.update(misses=self.stop.misses_, best_epoch=self.stop.best_epoch_,
                        threshold=repr(float(self.stop.dynamic_threshold_)))  # fmt: skip
        ready = {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}
        with atomic_path(self.path) as temporary:
            save_file(ready, temporary, metadata={"state": json.dumps(card)})

    def _read(self, net: Any) -> tuple[dict[str, Any], dict[str, torch.Tensor]] | None:
        if not self.path.is_file():
            return None
        try:
            with safe_open(self.path, framework="pt") as file:
                card = json.loads(file.metadata()["state"])
                if card["inputs"] != self.inputs:
                    return None
                return card, {name: file.get_tensor(name).to(_place(name, net.device)) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError, KeyError, TypeError, ValueError):
            return None  # damaged: training begins anew


def _place(name: str, device: str) -> str:
    return "cpu" if name.startswith("random.") or name.endswith(".step") else device


def _below(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    start = prefix + "."
    return {name[len(start) :]: copy.copy(value) for name, value in tensors.items() if name.startswith(start)}
