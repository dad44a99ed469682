"""What Trainer would refuse, and what it would admit although it dies in the pod.

Each check looks at a :class:`Case`, as far as it is known: while a DAG is parsed, with templates still in it, and again
when the task runs. Where only luck decides, nothing is refused. Line numbers are those of torchtune 0.6.1's recipes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from airflow_kubeflow_trainer.config.actions import OnFinishAction
from airflow_kubeflow_trainer.exceptions import ConfigError
from airflow_kubeflow_trainer.trainjob.recipe import CONFIGS, LLAMA_70B, QWEN, Case, NotKnownYetError, Recipe, known
from airflow_kubeflow_trainer.trainjob.runtime import RuntimeView
from airflow_kubeflow_trainer.trainjob.settings import component, optimizer, setting

IMMUTABLE_KEYS = ("output_dir", "tokenizer.path", "tokenizer.merges_file", "checkpointer.checkpoint_dir")
"""Keys that the runtime sets, and admission refuses."""


def check(case: Case) -> None:
    """Refuse what cannot work, as far as that is known.

    :raises ConfigError: naming the field and the remedy.
    """
    for problem in _PROBLEMS:
        with contextlib.suppress(NotKnownYetError):
            found = problem(case)
            if found is not None:
                raise ConfigError(f"config.{found}")


def check_resuming(case: Case, *, fresh_output: bool) -> None:
    """Refuse to go on from a checkpoint where none can be.

    :param fresh_output: whether each try writes to a folder of its own.
    :raises ConfigError: the try would look for the checkpoint there.
    """
    # TorchTune looks in output_dir, unless told of another place (training/checkpointing/_utils.py).
    with contextlib.suppress(NotKnownYetError):
        elsewhere = "checkpointer.recipe_checkpoint" in case.overrides
        if fresh_output and not elsewhere and setting(case, "resume_from_checkpoint") is True:
            raise ConfigError(
                "config.resume_from_checkpoint: TorchTune looks for the checkpoint in the output, which is a new "
                "folder in each try; name that of an earlier training: output=PersistentVolumeOutput(..., sub_path=...)"
            )


def checked_recipe(case: Case) -> Recipe:
    """Give the recipe that Trainer will choose, of a case that can work.

    :raises ConfigError: it cannot.
    """
    check(case)
    return case.recipe


def _several_nodes(case: Case) -> str | None:
    if case.nodes == 1:
        return None
    if case.lora:
        return f"num_nodes: {case.nodes} with peft_config: TorchTune trains adapters on one node only; set num_nodes=1"
    if case.model != LLAMA_70B:
        return (
            f"num_nodes: must be 1 for {case.model}, not {case.nodes}: only llama3_3/70B has a recipe for several nodes"
        )
    return None


def _key_of_the_runtimes(case: Case) -> str | None:
    for key in case.overrides:
        if key.removeprefix("~") in IMMUTABLE_KEYS:
            return f"overrides: {key!r} is the runtime's to set, and Trainer refuses it here"
    return None


def _qlora_of_qwen(case: Case) -> str | None:
    if case.qlora and case.model == QWEN:
        return "peft_config.quantize_base: TorchTune has no QLoRA for qwen2_5/1.5B; leave it out, or set use_dora=True"
    return None


def _qlora_on_several_devices(case: Case) -> str | None:
    if not case.qlora or case.model == LLAMA_70B:
        return None
    # Admission judges by what the TrainJob says; that one CPU makes one process it learns too late.
    if known(case.config.num_proc_per_node) == 1 or case.gpus == 1:
        return None
    return (
        f"peft_config.quantize_base: QLoRA of {case.model} trains on one device only: set "
        "resources_per_node={'gpu': 1} or num_proc_per_node=1"
    )


def _missing_config(case: Case) -> str | None:
    recipe = case.recipe
    if recipe.variant in CONFIGS[recipe.model]:
        return None
    return (
        f"resources_per_node: Trainer would choose the config {recipe.config}, which TorchTune does not have; "
        f"{recipe.model} has {', '.join(CONFIGS[recipe.model])}. Ask for several GPUs per node"
    )


def _processes_on_one_gpu(case: Case) -> str | None:
    processes = case.processes
    # `tune run` refuses its --rdzv_endpoint: "does not support distributed training".
    if processes is None or processes == 1 or case.nodes > 1 or case.gpus != 1:
        return None
    return (
        f"num_proc_per_node: {processes} on one GPU: Trainer chooses the recipe for a single device, which dies "
        "with several processes; leave num_proc_per_node out, or ask for more GPUs"
    )


def _no_gpu(case: Case) -> str | None:
    # In bf16, the recipes' own precision, "bf16 precision was requested but not available on this hardware"
    # (torchtune/training/precision.py); in fp32 they would train on the CPU without a word. Who knows of a GPU that
    # Kubernetes does not hand out says so in overrides.
    if "device" in case.overrides or setting(case, "device") != "cuda" or case.devices():
        return None
    return (
        "device: there is no GPU in resources_per_node, and "
        + ("device is 'cuda'" if case.device else "TorchTune's recipes train on 'cuda'")
        + ": set resources_per_node={'gpu': 1}, or device='cpu'"
    )


def _more_processes_than_gpus(case: Case) -> str | None:
    # "The local rank is larger than the number of available GPUs" (torchtune/utils/_device.py, _setup_device).
    processes = case.processes
    if processes is None or setting(case, "device") != "cuda":
        return None
    devices = case.devices()
    if not devices or not all("gpu" in name.lower() or "/mig-" in name for name in devices):
        return None
    there = sum(devices.values())
    if processes <= there:
        return None
    have = f"{there} GPU{'s' if there > 1 else ''}"
    if case.config.num_proc_per_node is None:
        return (
            f"resources_per_node: Trainer starts a process for each CPU where this asks for no 'gpu', here {processes} "
            f"on {have}, and each needs one of its own: add {{'gpu': {there}}}, or set num_proc_per_node={there}"
        )
    return (
        f"num_proc_per_node: {processes} on {have}: each process needs one of its own; set num_proc_per_node={there}, "
        f"or resources_per_node={{'gpu': {processes}}}"
    )


def _several_processes_on_a_cpu(case: Case) -> str | None:
    if setting(case, "device") != "cpu" or case.recipe.single_device:
        return None
    # full_finetune_distributed.py:628, lora_finetune_distributed.py:544: "Logging memory stats is not supported on CPU
    # devices", once the model is loaded.
    if case.nodes > 1:
        return (
            f"num_nodes: must be 1 on device='cpu', not {case.nodes}: TorchTune's recipe for several nodes needs GPUs"
        )
    return (
        f"num_proc_per_node: must be 1 on device='cpu', not {case.processes}: TorchTune's recipes for several "
        "processes need GPUs. Left out, it is one for each CPU"
    )


def _unknown_dtype(case: Case) -> str | None:
    # training/precision.py:get_dtype, and each recipe's __init__ for fp16.
    dtype = setting(case, "dtype")
    if dtype in ("bf16", "fp32", "fp64", None):
        return None
    return f"overrides: dtype {dtype!r} is none that TorchTune's recipes train in; it must be 'bf16' or 'fp32'"


def _offloading(case: Case) -> str | None:
    # In __init__ of all four recipes.
    if setting(case, "enable_activation_offloading") is not True:
        return None
    if setting(case, "device") in ("cpu", "mps", "xpu", "npu"):
        return f"enable_activation_offloading: needs device='cuda', not {setting(case, 'device')!r}; leave it out"
    if setting(case, "enable_activation_checkpointing") in (False, None):
        return "enable_activation_offloading: needs enable_activation_checkpointing=True"
    return None


def _optimizer_in_backward(case: Case) -> str | None:
    # In __init__ of both recipes for full fine-tuning; those for LoRA do not look at it.
    if case.lora or case.qlora or setting(case, "optimizer_in_bwd") is not True:
        return None
    own = "" if case.config.optimizer_in_bwd else ", as TorchTune's config for a single device does,"
    return _clipped_in_backward(case, own) or _accumulated_in_backward(case, own)


def _clipped_in_backward(case: Case, own: str) -> str | None:
    with contextlib.suppress(NotKnownYetError):
        if setting(case, "clip_grad_norm") is not None:
            return (
                f"clip_grad_norm: stepping in the backward pass{own} leaves no norm to clip: set "
                "optimizer_in_bwd=False, or leave clip_grad_norm out"
            )
    return None


def _accumulated_in_backward(case: Case, own: str) -> str | None:
    steps = setting(case, "gradient_accumulation_steps")
    if not isinstance(steps, int) or steps <= 1:
        return None
    theirs = "" if case.config.gradient_accumulation_steps else f" ({steps} in TorchTune's config)"
    return (
        f"gradient_accumulation_steps{theirs}: stepping in the backward pass{own} leaves nothing to accumulate: set "
        "optimizer_in_bwd=False, or gradient_accumulation_steps=1"
    )


def _optimizer_that_needs_a_gpu(case: Case) -> str | None:
    # bitsandbytes 0.49.2, which Trainer 2.3's image has: "Method 'cget_managed_ptr' not available in CPU-only version".
    if component(case, "optimizer") is None and setting(case, "device") == "cpu" and "bitsandbytes" in optimizer(case):
        return (
            "optimizer: full fine-tuning on a single device uses bitsandbytes' by default, which needs a GPU; on a CPU "
            "set optimizer='torch.optim.AdamW'"
        )
    return None


def _scheduler_of_torchs(case: Case) -> str | None:
    # All recipes give it num_training_steps (_setup_lr_scheduler), which none of torch's own takes.
    chosen = component(case, "lr_scheduler")
    if chosen is None or not chosen.startswith("torch.optim.lr_scheduler."):
        return None
    return (
        f"lr_scheduler: {chosen!r} does not take num_training_steps, which TorchTune's recipes give it; use "
        "'torchtune.training.lr_schedulers.get_cosine_schedule_with_warmup', or one of your own that does"
    )


def _packed_into_no_length(case: Case) -> str | None:
    # "PackedDataset requires a max_seq_len to be set on the tokenizer": all builders of TorchTune's.
    if setting(case, "dataset.packed") is not True or setting(case, "tokenizer.max_seq_len") is not None:
        return None
    if _is_foreign(case, "dataset") or _is_foreign(case, "tokenizer"):
        return None
    return "packed: needs max_seq_len: packing fills sequences of that length"


def _is_foreign(case: Case, name: str) -> bool:
    chosen = component(case, name)
    return chosen is not None and not chosen.startswith("torchtune.")


def _adapter_of_a_tied_output(case: Case) -> str | None:
    # The builders of llama3_2 and qwen2_5: "the projection layer weights are tied to the embeddings".
    lora = case.config.peft_config
    wanted = case.overrides.get("model.apply_lora_to_output", getattr(lora, "apply_lora_to_output", None))
    if known(wanted) is not True or component(case, "model") is not None or case.model == LLAMA_70B:
        return None
    return (
        f"peft_config.apply_lora_to_output: {case.model} has no output projection of its own to adapt: its weights are "
        "those of the embeddings; leave it out"
    )


_PROBLEMS: tuple[Callable[[Case], str | None], ...] = (
    _several_nodes,
    _key_of_the_runtimes,
    _processes_on_one_gpu,
    _qlora_of_qwen,
    _qlora_on_several_devices,
    _no_gpu,
    _more_processes_than_gpus,
    _missing_config,
    _several_processes_on_a_cpu,
    _unknown_dtype,
    _offloading,
    _optimizer_in_backward,
    _optimizer_that_needs_a_gpu,
    _scheduler_of_torchs,
    _packed_into_no_length,
    _adapter_of_a_tied_output,
)


def check_that_the_model_is_kept(runtime: RuntimeView, output: Any, action: OnFinishAction) -> None:
    """Refuse to delete a TrainJob whose model goes with it."""
    if output is None and runtime.output_dies_with_trainjob and action is not OnFinishAction.KEEP_TRAINJOB:
        raise ConfigError(
            f"on_finish_action: {action.value!r} would delete the trained model: runtime {runtime.name!r} keeps it on "
            "a volume that is deleted with the TrainJob. Set output=PersistentVolumeOutput(...), or "
            "on_finish_action='keep_trainjob'"
        )
