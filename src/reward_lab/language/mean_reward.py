"""A reward model that reads the mean over tokens. `save_pretrained` puts a copy of this file into the model's folder.

It stands alone, so that transformers can run the copy: AutoModelForSequenceClassification.from_pretrained(folder,
trust_remote_code=True) loads such a folder where reward_lab is not installed.
"""

import torch
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers.modeling_outputs import SequenceClassifierOutput


class MeanRewardConfig(PretrainedConfig):
    """The backbone's own configuration, as a dict, and where the padding is."""

    model_type = "reward_lab_mean"

    def __init__(self, backbone: dict | None = None, **rest):
        rest.setdefault("num_labels", 1)
        self.backbone = backbone
        self.hidden_size = (backbone or {}).get("hidden_size")
        super().__init__(**rest)

    def backbone_config(self) -> PretrainedConfig:
        """The backbone's configuration as an object."""
        values = dict(self.backbone)
        return AutoConfig.for_model(values.pop("model_type"), **values)


class MeanRewardModel(PreTrainedModel):
    """The backbone's last hidden states, their mean over the real tokens, one linear layer: (batch, 1) rewards."""

    config_class = MeanRewardConfig
    base_model_prefix = "backbone"
    supports_gradient_checkpointing = True
    _supports_sdpa = True

    def __init__(self, config: MeanRewardConfig, backbone: PreTrainedModel | None = None):
        super().__init__(config)
        self.backbone = AutoModel.from_config(config.backbone_config()) if backbone is None else backbone
        self.score = torch.nn.Linear(self.backbone.config.hidden_size, 1, bias=False)
        if backbone is None:
            self.post_init()
        self.all_tied_weights_keys = getattr(self, "all_tied_weights_keys", {})

    def _init_weights(self, module):
        if module is self.score:
            torch.nn.init.normal_(module.weight, std=0.02)

    def forward(self, input_ids=None, attention_mask=None, use_cache=None, **_) -> SequenceClassifierOutput:
        """Score a batch.

        Args:
            input_ids: (batch, seq) int64.
            attention_mask: (batch, seq), 1 at real tokens; default: all but the padding token.
        """
        if attention_mask is None:
            attention_mask = (input_ids != self.config.pad_token_id).long()
        hidden = self.backbone(input_ids, attention_mask=attention_mask).last_hidden_state
        return SequenceClassifierOutput(logits=self.score(mean_over_tokens(hidden, attention_mask)))


def mean_over_tokens(hidden: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
    """(batch, seq, dim) and (batch, seq) -> (batch, dim), summed in float32; a row of padding alone gives 0."""
    mask = attention_mask.unsqueeze(-1).float()
    total = (hidden.float() * mask).sum(dim=1)
    return (total / mask.sum(dim=1).clamp(min=1)).to(hidden.dtype)


MeanRewardConfig.register_for_auto_class()
MeanRewardModel.register_for_auto_class("AutoModelForSequenceClassification")
AutoConfig.register(MeanRewardConfig.model_type, MeanRewardConfig, exist_ok=True)
AutoModelForSequenceClassification.register(MeanRewardConfig, MeanRewardModel, exist_ok=True)
