"""What the model says before and after the training: a small program of its own, since torch takes its time to load.

`python -m demo.answers MODEL ADAPTER` reads questions from standard input, a JSON list, and prints a JSON list of
objects with `question`, `before` and `after`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demo.model import ARCHITECTURE

if TYPE_CHECKING:
    from torchtune.models.qwen2 import Qwen2Tokenizer
    from torchtune.modules import TransformerDecoder

MOST_TOKENS = 30
LONGEST_PROMPT = 96


@dataclass(frozen=True)
class Answer:
    """What one model said to one question before and after the training."""

    question: str
    before: str
    after: str


class AnswerError(RuntimeError):
    """The model did not answer."""


def ask(questions: Sequence[str], *, model: Path, adapter: Path, timeout: float = 180.0) -> list[Answer]:
    """Ask the model without and with the adapter, in a process of its own. Raises AnswerError."""
    command = [sys.executable, "-m", "demo.answers", str(model), str(adapter)]
    try:
        done = subprocess.run(
            command, input=json.dumps(list(questions)), capture_output=True, text=True, check=True, timeout=timeout
        )
    except subprocess.CalledProcessError as error:
        raise AnswerError(f"the model could not be asked:\n{error.stderr[-2000:]}") from error
    except subprocess.TimeoutExpired as error:
        raise AnswerError(f"the model did not answer within {timeout:g} s") from error
    return [Answer(**answer) for answer in json.loads(done.stdout)]


def _answer_all(questions: Sequence[str], *, model: Path, adapter: Path) -> list[Answer]:
    # torch and torchtune take several seconds, which the demo itself does not wait for.
    import torch
    from torchtune.models.qwen2 import qwen2_tokenizer

    folder = model
    tokenizer = qwen2_tokenizer(
        str(folder / "vocab.json"), str(folder / "merges.txt"), special_tokens_path=str(folder / "tokenizer.json")
    )
    decoder = _load(folder, adapter)
    with torch.inference_mode(), torch.device("cpu"):
        decoder.setup_caches(batch_size=1, dtype=torch.float32, decoder_max_seq_len=LONGEST_PROMPT + MOST_TOKENS)
        before = [_generate(decoder, tokenizer, question) for question in questions]
        decoder.load_state_dict(torch.load(adapter, weights_only=True, map_location="cpu"), strict=False)
        after = [_generate(decoder, tokenizer, question) for question in questions]
    return [Answer(*answer) for answer in zip(questions, before, after, strict=True)]


def _load(folder: Path, adapter: Path) -> TransformerDecoder:
    """The model with an adapter that does nothing yet: LoRA's second matrix is zero until it is loaded."""
    from safetensors.torch import load_file
    from torchtune.models.convert_weights import hf_to_tune
    from torchtune.models.llama3_2 import lora_llama3_2

    lora = json.loads((adapter.parent / "adapter_config.json").read_text(encoding="utf-8"))
    decoder = lora_llama3_2(
        lora_attn_modules=["q_proj", "v_proj", "output_proj"],
        apply_lora_to_mlp=True,
        lora_rank=lora["r"],
        lora_alpha=lora["lora_alpha"],
        **ARCHITECTURE,
    )
    weights = hf_to_tune(
        load_file(folder / "model.safetensors"),
        num_heads=ARCHITECTURE["num_heads"],
        num_kv_heads=ARCHITECTURE["num_kv_heads"],
        dim=ARCHITECTURE["embed_dim"],
    )
    decoder.load_state_dict(weights, strict=False)
    return decoder.eval()


def _generate(decoder: TransformerDecoder, tokenizer: Qwen2Tokenizer, question: str) -> str:
    """The likeliest answer, token by token, up to the end of the turn."""
    import torch
    from torchtune.data import Message
    from torchtune.generation import generate

    messages = [Message(role="user", content=question), Message(role="assistant", content="")]
    prompt, _ = tokenizer.tokenize_messages(messages, add_eos=False)
    decoder.reset_caches()
    tokens, _ = generate(
        decoder,
        torch.tensor(prompt[:LONGEST_PROMPT]),
        max_generated_tokens=MOST_TOKENS,
        pad_id=-1,
        top_k=1,
        stop_tokens=[tokenizer.im_end_id, tokenizer.eos_id],
    )
    answer: list[Any] = tokens[0, len(prompt) :].tolist()
    return " ".join(tokenizer.decode(answer, skip_special_tokens=True).split())


if __name__ == "__main__":
    answers = _answer_all(json.load(sys.stdin), model=Path(sys.argv[1]), adapter=Path(sys.argv[2]))
    json.dump([asdict(answer) for answer in answers], sys.stdout)
