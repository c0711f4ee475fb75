"""A reward model as a folder: config.json, weights in safetensors, tokenizer.

config.json is written last, in one step, and names the other files. They carry a part of their hash in their
names, so a new model never writes over the files of the old one. Whenever the program dies, the folder holds
the old model or the new one, whole.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Self

import torch

from .checkpoint import write_atomically

FORMAT, VERSION = "reward-lab reward model", 1
NOTE = "Load with reward_lab.RewardModel.from_pretrained. This is not an AutoModelForSequenceClassification."
SIZES = ("vocab_size", "embed_dim", "hidden_dim")


read_tokenizer: Callable[[str], object] | None = None
"""Makes a tokenizer of its own JSON text. Set by `reward_lab.text`, which knows tokenizers; this module does not."""


class Saved:
    """Gives RewardModel its save_pretrained and from_pretrained. A saved model is no transformers model."""

    tokenizer = None
    """What turns texts into the model's token ids, with a method `to_json`; None for a model of token ids."""

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the model and its tokenizer into a folder, which is made if need be.

        Files that are already there stay, but for those of an earlier reward model.

        Raises:
            ValueError: the folder holds a config.json of something else.
        """
        from safetensors.torch import save  # here, so that the package is quick to import

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / "config.json").exists():
            read_config(folder)  # raises for a model of another kind, rather than destroy it
        weights = {name: value.detach().cpu().contiguous() for name, value in self.state_dict().items()}
        files = {"weights": _write_hashed(folder, "model", ".safetensors", save(weights))}
        if self.tokenizer is not None:
            data = self.tokenizer.to_json().encode()
            files["tokenizer"] = _write_hashed(folder, "tokenizer", ".json", data)
        embedding = self.encoder.embedding
        sizes = (embedding.num_embeddings, embedding.embedding_dim, self.reward_head.in_features)
        model = {**dict(zip(SIZES, sizes, strict=True)), "padding_id": self.encoder.padding_id}
        config = {"format": FORMAT, "version": VERSION, "note": NOTE, "model": model, "files": files}
        write_atomically(folder / "config.json", (json.dumps(config, indent=2) + "\n").encode())
        _remove_old(folder, {file["name"] for file in files.values()})

    @classmethod
    def from_pretrained(cls, folder: str | Path, device: torch.device | str = "cpu") -> Self:
        """Read a model that save_pretrained wrote, on whatever device it was.

        Returns:
            The model on `device`, in evaluation mode, with its tokenizer.

        Raises:
            FileNotFoundError: there is no such folder, or no model in it.
            ValueError: the model is damaged, of another kind, or of a newer version of this package.
        """
        from safetensors.torch import load

        folder = Path(folder)
        config = read_config(folder)
        weights = _read_hashed(folder, config, "weights")
        tokenizer = _read_hashed(folder, config, "tokenizer") if "tokenizer" in config["files"] else None
        try:
            with torch.device("meta"):  # no memory, no random numbers: the weights come from the file
                model = cls(**config["model"])
            model.load_state_dict(load(weights), assign=True)
        except Exception as error:
            raise ValueError(f"{folder}: config.json does not fit the weights ({error})") from None
        if tokenizer is not None:
            model.tokenizer = read_tokenizer(tokenizer.decode())
        return model.to(device).eval()


def read_config(folder: Path) -> dict:
    """The config.json of a saved reward model. Raises as Saved.from_pretrained does."""
    path = folder / "config.json"
    if not path.exists():
        raise FileNotFoundError(
            f"{folder}: no reward model here (no config.json). RewardModel.save_pretrained and "
            "python -m reward_lab.train write one"
        )
    try:
        config = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} is damaged: {error}") from None
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        hint = ""
        if isinstance(config, dict) and "model_type" in config:
            hint = f". It is a transformers model ({config['model_type']}): use AutoModelForSequenceClassification"
        raise ValueError(f"{folder} holds a model of another kind, not a {FORMAT}{hint}")
    if config.get("version") != VERSION:
        raise ValueError(
            f"{folder}: format version {config.get('version')}, and this package reads {VERSION}: update reward-lab"
        )
    if not isinstance(config.get("model"), dict) or not isinstance(config.get("files"), dict):
        raise ValueError(f"{path} is damaged: expected `model` and `files`")
    return config


def _write_hashed(folder: Path, stem: str, suffix: str, data: bytes) -> dict[str, str]:
    """Write a file with a part of its hash in its name; name and hash, for config.json."""
    digest = hashlib.sha256(data).hexdigest()
    name = f"{stem}-{digest[:8]}{suffix}"
    write_atomically(folder / name, data)
    return {"name": name, "sha256": digest}


def _read_hashed(folder: Path, config: dict, role: str) -> bytes:
    entry = config["files"].get(role)
    name = entry.get("name") if isinstance(entry, dict) else None
    if not isinstance(name, str) or Path(name).name != name:
        raise ValueError(f"{folder}: config.json names no file for the {role}")
    if not (folder / name).is_file():
        raise ValueError(f"{folder}: the {role} are missing: {name}")
    data = (folder / name).read_bytes()
    if hashlib.sha256(data).hexdigest() != entry.get("sha256"):
        raise ValueError(f"{folder}: {name} is damaged (its hash is not the one in config.json)")
    return data


def _remove_old(folder: Path, current: set[str]) -> None:
    """Remove the files of earlier models, and what a killed program left half written."""
    for pattern in ("model-*.safetensors", "tokenizer-*.json", ".model-*.tmp", ".tokenizer-*.tmp"):
        for path in folder.glob(pattern):
            if path.name not in current:
                path.unlink(missing_ok=True)
