"""`--tune lora` and `--tune full`: TRL's RewardTrainer on the pairs of a preference file."""

import contextlib
import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from ..language.ecosystem import quiet
from ..language.pretrained import torch_dtype
from ..language.reward_folder import LanguageReward, reward_model
from ..progress import Progress
from ..trainer import History
from .backbone_pairs import CHUNK, write_pairs
from .backbone_run import Job, Tuned, identity
from .token_pairs import MEASURED

RATES = {"lora": 1e-4, "full": 1e-5}
"""Learning rates: TRL's own for a head and adapters, a tenth of it where all weights move."""
RANK = 16


def tune(job: Job) -> Tuned:
    """Train with TRL, keep the epoch with the lowest held-out loss, merge adapters into the weights.

    Raises:
        ModuleNotFoundError: TRL, or for lora peft, is not installed.
        ValueError: the folder has the checkpoint of another run.
    """
    _require(job.config.tune)
    work = job.folder / "trl"
    _same_run(work, identity(job))
    torch.manual_seed(job.config.seed)  # the head starts at random
    head = torch.randn(job.backbone.dim) * job.backbone.dim**-0.5
    model = reward_model(job.backbone, job.config.pooling, head)
    with quiet():
        files = [(job.preferences, job.kept)]
        if job.held_out is not None:
            files.append((job.held_out, np.zeros(len(job.held_out), dtype=bool)))
        train, held_out, counted = write_pairs(job, files, work)
    job.say(
        f"{counted['tokens']:,} tokens in {counted['texts']:,} texts, {counted['truncated']:,} truncated; "
        f"{counted['nonsense_pairs']:,} training pairs more, with nonsense (--nonsense 0 for none); "
        f"TRL's RewardTrainer goes on from {work} when it is interrupted"
    )
    trainer, progress = _trainer(job, model, train, held_out, work, counted)
    checkpoints = sorted(work.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    whole = [path for path in checkpoints if (path / "trainer_state.json").exists()]
    if whole:
        job.say(f"going on from {whole[-1]}")
    with _only_errors():
        trainer.train(resume_from_checkpoint=str(whole[-1]) if whole else None)
    model = trainer.model
    if job.config.tune == "lora":
        model = model.merge_and_unload()
    model.config.use_cache = True
    reward = LanguageReward(model, job.backbone.texts)
    apart, margins = {}, {}
    for name, data in (("train", train), ("held_out", held_out)):
        of_file = len(data) - (counted["nonsense_pairs"] if name == "train" else 0)
        rows = np.linspace(0, of_file - 1, min(of_file, MEASURED)).round().astype(int)
        apart[name], margins[name] = _differences(reward, data.select(rows))
    history = _history(trainer.state.log_history)
    shutil.rmtree(work)
    return Tuned(
        model, apart, margins, progress.worked, progress.tokens, counted, {"history": vars(history)}, history
    )


def _require(tune: str) -> None:
    needed = ["trl", "datasets", *(["peft"] if tune == "lora" else [])]
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise ModuleNotFoundError(
            f"--tune {tune} needs {' and '.join(missing)}: pip install {' '.join(missing)}"
        )


def _same_run(work: Path, run: str) -> None:
    """Make the work folder, or check that what it has is of the same run."""
    work.mkdir(parents=True, exist_ok=True)
    path = work / "run.json"
    if path.exists() and path.read_text(encoding="utf-8") != run:
        raise ValueError(
            f"{work} is of a run with other data or settings: repeat those to go on with it, use another folder, or "
            "delete it to start anew"
        )
    path.write_text(run, encoding="utf-8")


def _trainer(job: Job, model, train, held_out, work: Path, counted: dict):
    import trl
    from transformers import EarlyStoppingCallback, PrinterCallback, ProgressCallback

    config, device = job.config, next(model.parameters()).device
    steps = -(-len(train) // config.batch_size) * config.epochs
    progress = Progress("trained on", 2 * len(train) * config.epochs, job.say)
    with quiet():
        arguments = trl.RewardConfig(
            output_dir=str(work),
            per_device_train_batch_size=config.batch_size,
            per_device_eval_batch_size=config.batch_size,
            num_train_epochs=config.epochs,
            learning_rate=config.learning_rate or RATES[config.tune],
            weight_decay=config.weight_decay,
            warmup_steps=steps // 10,
            eval_strategy="epoch",
            save_strategy="epoch",
            logging_strategy="epoch",
            save_total_limit=1,
            load_best_model_at_end=True,
            metric_for_best_model="eval_loss",
            greater_is_better=False,
            seed=config.seed,
            use_cpu=device.type == "cpu",
            bf16=torch_dtype(config.dtype, device) is torch.bfloat16,
            gradient_checkpointing=device.type != "cpu",
            dataloader_pin_memory=device.type != "cpu",
            max_length=None,  # the texts are cut already
            report_to=[],
            disable_tqdm=True,
        )
        trainer = trl.RewardTrainer(
            model=model,
            args=arguments,
            train_dataset=train,
            eval_dataset=held_out,
            processing_class=job.backbone.texts.tokenizer,
            peft_config=_adapters(config.tune),
            callbacks=[
                EarlyStoppingCallback(config.patience),
                _reporting(
                    job, progress, 2 * config.batch_size, counted["tokens"] / max(1, counted["texts"])
                ),
            ],
        )
    for callback in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(callback)
    return trainer, progress


@contextlib.contextmanager
def _only_errors() -> Iterator[None]:
    """Keep transformers' remarks on what was set on purpose away from the lines that are said."""
    from transformers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def _adapters(tune: str):
    if tune != "lora":
        return None
    import peft

    return peft.LoraConfig(
        task_type="SEQ_CLS",
        r=RANK,
        lora_alpha=2 * RANK,
        target_modules="all-linear",
        modules_to_save=["score"],
    )


def _reporting(job: Job, progress: Progress, pairs: int, tokens: float):
    """A callback that says how far training is, and a line an epoch."""
    from transformers import TrainerCallback

    size = job.config.batch_size
    steps = -(-pairs // size)  # of an epoch; the last batch may be small

    def texts_before(step: int) -> int:
        return 2 * (step // steps * pairs + step % steps * size)

    class Reporting(TrainerCallback):
        def on_train_begin(self, args, state, control, **_):
            progress.skip(texts_before(state.global_step))

        def on_step_end(self, args, state, control, **_):
            texts = texts_before(state.global_step) - texts_before(state.global_step - 1)
            progress.add(texts, round(texts * tokens))

        def on_evaluate(self, args, state, control, metrics, **_):
            job.say(
                f"epoch {state.epoch:.0f}/{args.num_train_epochs:.0f}  held-out: loss {metrics['eval_loss']:.4f}, "
                f"accuracy {metrics['eval_accuracy']:.3f}"
            )

    return Reporting()


def _differences(reward: LanguageReward, data) -> tuple[torch.Tensor, torch.Tensor | None]:
    """(n,) float64 reward differences and margins of a data set."""
    apart = []
    for start in range(0, len(data), CHUNK):
        part = data[start : start + CHUNK]
        rewards = torch.tensor(
            reward.rewards([*part["chosen_ids"], *part["rejected_ids"]]), dtype=torch.float64
        )
        apart.append(torch.sub(*rewards.chunk(2)))
    margins = torch.tensor(data["margin"][:], dtype=torch.float64)
    return torch.cat(apart), margins if margins.any() else None


def _history(log: list[dict]) -> History:
    """TRL's log as one number an epoch."""
    history = History()
    for entry in log:
        for prefix, name in (("", "train"), ("eval_", "held_out")):
            if f"{prefix}loss" in entry:
                for what in ("loss", "accuracy", "margin"):
                    getattr(history, f"{name}_{what}").append(entry[f"{prefix}{what}"])
        history.seconds = entry.get("train_runtime", history.seconds)
    return history
