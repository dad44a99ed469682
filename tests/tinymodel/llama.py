"""A Llama 3.2 of three million random weights, made in a second: small enough that a test can train it for real.

As a script, it writes a model and rows to learn: `python -m tests.tinymodel.llama FOLDER`.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

LAYERS, HEADS, KV_HEADS, WIDTH, INNER_WIDTH = 4, 4, 2, 256, 704
BYTES = 256
SPECIAL_TOKENS = [
    f"<|{name}|>"
    for name in (
        "begin_of_text",
        "end_of_text",
        "finetune_right_pad_id",
        "step_id",
        "start_header_id",
        "end_header_id",
        "eom_id",
        "eot_id",
        "python_tag",
        "image",
    )
]
VOCABULARY = 288

# What TorchTune has to be told, since the recipe of the runtime is for a larger model; as TorchTuneConfig.overrides.
OVERRIDES: dict[str, Any] = {
    "model": "torchtune.models.llama3_2.llama3_2",
    "model.vocab_size": VOCABULARY,
    "model.num_layers": LAYERS,
    "model.num_heads": HEADS,
    "model.num_kv_heads": KV_HEADS,
    "model.embed_dim": WIDTH,
    "model.intermediate_dim": INNER_WIDTH,
    "model.max_seq_len": 512,
    "tokenizer.special_tokens_path": "/workspace/model/special_tokens.json",
    "checkpointer.checkpoint_files": ["model.safetensors"],
    "optimizer_in_bwd": False,
}


def write_model(folder: Path, *, seed: int = 0) -> Path:
    """Write what runtime torchtune-llama3.2-1b expects in /workspace/model: weights, config.json and the tokenizer."""
    (folder / "original").mkdir(parents=True)
    save_file(_weights(np.random.default_rng(seed)), folder / "model.safetensors", metadata={"format": "pt"})
    config = {"num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS, "hidden_size": WIDTH}
    (folder / "config.json").write_text(json.dumps(config))
    vocabulary = [f"{base64.b64encode(bytes([byte])).decode()} {byte}\n" for byte in range(BYTES)]
    (folder / "original" / "tokenizer.model").write_text("".join(vocabulary))
    special = [{"id": BYTES + index, "content": token} for index, token in enumerate(SPECIAL_TOKENS)]
    (folder / "special_tokens.json").write_text(json.dumps({"added_tokens": special}))
    return folder


def write_rows(folder: Path, *, count: int = 64) -> Path:
    """Write `folder`/rows.json with the columns `input` and `output`: a lesson in adding one."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [{"input": f"one more than {number}", "output": str(number + 1)} for number in range(count)]
    (folder / "rows.json").write_text(json.dumps(rows))
    return folder


def _weights(random: np.random.Generator) -> dict[str, NDArray[np.float32]]:
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (VOCABULARY, WIDTH)}
    narrow = WIDTH // HEADS * KV_HEADS
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}"
        shapes |= {
            f"{prefix}.self_attn.q_proj.weight": (WIDTH, WIDTH),
            f"{prefix}.self_attn.k_proj.weight": (narrow, WIDTH),
            f"{prefix}.self_attn.v_proj.weight": (narrow, WIDTH),
            f"{prefix}.self_attn.o_proj.weight": (WIDTH, WIDTH),
            f"{prefix}.mlp.gate_proj.weight": (INNER_WIDTH, WIDTH),
            f"{prefix}.mlp.up_proj.weight": (INNER_WIDTH, WIDTH),
            f"{prefix}.mlp.down_proj.weight": (WIDTH, INNER_WIDTH),
            f"{prefix}.input_layernorm.weight": (WIDTH,),
            f"{prefix}.post_attention_layernorm.weight": (WIDTH,),
        }
    shapes["model.norm.weight"] = (WIDTH,)
    return {name: _initial(random, shape) for name, shape in shapes.items()}


def _initial(random: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    if len(shape) == 1:
        return np.ones(shape, dtype=np.float32)
    return random.normal(0.0, 0.02, shape).astype(np.float32)


if __name__ == "__main__":
    write_model(Path(sys.argv[1]) / "model")
    write_rows(Path(sys.argv[1]) / "dataset")
