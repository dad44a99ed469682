"""What CUDA, the GPUs and the allocators of memory say."""

from __future__ import annotations

from airflow_kubeflow_trainer.trainjob.diagnosis.catalogue.entry import Entry, Source, Weight, entry
from airflow_kubeflow_trainer.trainjob.diagnosis.causes import Cause

_CUDA_ERROR = r"(?:torch\.AcceleratorError|RuntimeError): CUDA error:"

ACCELERATORS: tuple[Entry, ...] = (
    entry(
        "cuda-out-of-memory",
        Source.EXCEPTION,
        r"(?:torch\.)?(?:cuda\.)?OutOfMemoryError: CUDA out of memory\. (?:Tried to allocate (?P<wanted>[\d.]+ \w+))?",
        says="The GPU's memory was not enough ({wanted} more were wanted)",
        remedy="Lower batch_size or tokenizer.max_seq_len, set enable_activation_checkpointing, train with LoRA or "
        "QLoRA, "
        "or ask for GPUs with more memory; the memory in resources_per_node is the machine's and does not help",
        cause=Cause.OUT_OF_MEMORY,
    ),
    entry(
        "cuda-library-out-of-memory",
        Source.EXCEPTION,
        _CUDA_ERROR
        + r" (?:out of memory|CUBLAS_STATUS_ALLOC_FAILED|CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate)",
        says="A CUDA library found no memory left on the GPU",
        remedy="See that nothing else runs on the same GPU, and lower batch_size or tokenizer.max_seq_len",
        cause=Cause.OUT_OF_MEMORY,
    ),
    entry(
        "host-out-of-memory",
        Source.CONTAINER,
        r"OOMKilled\b",
        says="The container used more memory than its limit and was killed",
        remedy="Raise memory in resources_per_node, or lower batch_size, tokenizer.max_seq_len or the number of data "
        "workers; "
        "this is the machine's memory, not the GPU's",
        cause=Cause.OUT_OF_MEMORY,
    ),
    entry(
        "host-allocation-refused",
        Source.EXCEPTION,
        r"RuntimeError: \[enforce fail at alloc_cpu\.cpp:\d+\] .*DefaultCPUAllocator: (?:can't allocate memory|not "
        r"enough "
        r"memory): you tried to allocate (?P<bytes>\d+) bytes",
        says="The machine's memory was not enough: PyTorch wanted {bytes} bytes at once",
        remedy="Raise memory in resources_per_node, or make the tensor smaller (batch_size, tokenizer.max_seq_len)",
        cause=Cause.OUT_OF_MEMORY,
    ),
    entry(
        "python-out-of-memory",
        Source.EXCEPTION,
        r"MemoryError\b",
        says="Python found no memory left on the machine",
        remedy="Raise memory in resources_per_node, or load less at once",
        cause=Cause.OUT_OF_MEMORY,
    ),
    entry(
        "data-worker-killed",
        Source.EXCEPTION,
        r"RuntimeError: DataLoader worker \(pid\(?s?\)? \d+\) is killed by signal: Killed",
        says="A data worker was killed from outside, as Linux does when memory runs out",
        remedy="Raise memory in resources_per_node, or lower the number of data workers (num_workers)",
        cause=Cause.OUT_OF_MEMORY,
    ),
    entry(
        "data-worker-died",
        Source.EXCEPTION,
        r"RuntimeError: DataLoader worker \(pid\(?s?\)? [\d, ]+\) exited unexpectedly",
        says="A data worker died, and nothing says of what",
        remedy="Set num_workers to 0 to see an error of its own; where there is none, raise memory in "
        "resources_per_node",
        weight=Weight.GENERAL,
    ),
    entry(
        "shared-memory-too-small",
        Source.EXCEPTION,
        r"RuntimeError: (?:DataLoader worker \(pid\(?s?\)? \d+\) is killed by signal: Bus error|unable to (?:write to "
        r"file|mmap "
        r"\d+ bytes from file|allocate shared memory\(shm\)).* (?:/torch_|</torch_).*(?:No space left|Cannot "
        r"allocate))",
        says="The container's shared memory (/dev/shm) is too small for the data workers",
        remedy="Set num_workers to 0, or have the runtime mount a larger emptyDir with medium Memory at /dev/shm",
    ),
    entry(
        "shared-memory-bus-error",
        Source.OUTPUT,
        r"ERROR: Unexpected bus error encountered in worker\. This might be caused by insufficient shared memory "
        r"\(shm\)",
        says="A data worker met a bus error, which PyTorch puts down to too little shared memory (/dev/shm)",
        remedy="Set num_workers to 0, or have the runtime mount a larger emptyDir with medium Memory at /dev/shm",
    ),
    entry(
        "no-gpu-driver",
        Source.EXCEPTION,
        r"RuntimeError: Found no NVIDIA driver on your system",
        says="The program wanted a GPU, and its container has none",
        remedy='Ask for GPUs with resources_per_node={{"gpu": 1}}, or train on the CPU (TorchTune: device="cpu")',
    ),
    entry(
        "no-gpu-visible",
        Source.EXCEPTION,
        r"(?:RuntimeError: No CUDA GPUs are available|ValueError: ProcessGroupNCCL is only supported with GPUs, no "
        r"GPUs found)",
        says="The program wanted a GPU, and can see none",
        remedy='Ask for GPUs with resources_per_node={{"gpu": 1}}, see that CUDA_VISIBLE_DEVICES is not empty, or use '
        "the backend gloo",
    ),
    entry(
        "gpu-driver-too-old",
        Source.EXCEPTION,
        r"RuntimeError: The NVIDIA driver on your system is too old \(found version (?P<version>\d+)\)",
        says="The node's NVIDIA driver ({version}) is too old for the CUDA of the image",
        remedy="Use an image with an older CUDA, or choose nodes with a newer driver by a node selector",
    ),
    entry(
        "more-processes-than-gpus",
        Source.EXCEPTION,
        r"RuntimeError: The local rank is larger than the number of available (?P<device>\w+)s",
        says="More processes were started on a node than it has GPUs",
        remedy="Set num_proc_per_node to the number of GPUs in resources_per_node",
    ),
    entry(
        "invalid-device-ordinal",
        Source.EXCEPTION,
        _CUDA_ERROR + r" invalid device ordinal",
        says="The program asked for a GPU by a number that its container does not have",
        remedy="Set num_proc_per_node to the number of GPUs in resources_per_node, and use LOCAL_RANK, not RANK, as "
        "the device",
    ),
    entry(
        "device-mismatch",
        Source.EXCEPTION,
        r"RuntimeError: (?:Expected all tensors to be on the same device|Tensor on device \S+ is not on the expected "
        r"device)",
        says="Tensors of one operation lie on different devices",
        remedy="Move model, inputs and labels to the same device, with .to(device)",
    ),
    entry(
        "bf16-not-available",
        Source.EXCEPTION,
        r"RuntimeError: bf16 precision was requested but not available on this hardware",
        says="bf16 was asked for on hardware that has none",
        remedy='Set dtype="fp32", or choose GPUs of the Ampere generation or later',
    ),
    entry(
        "dtype-mismatch",
        Source.EXCEPTION,
        r"RuntimeError: (?:expected m1 and m2 to have the same dtype|mat1 and mat2 must have the same dtype|Expected "
        r"both "
        r"\w+ to have the same dtype)",
        says="Numbers of different precision meet in one operation",
        remedy="Convert them to one dtype, or run the forward pass under torch.autocast",
    ),
    entry(
        "shape-mismatch",
        Source.EXCEPTION,
        r"RuntimeError: (?:mat1 and mat2 shapes cannot be multiplied \((?P<shapes>[\dx and]+)\)|The size of tensor "
        r"\w+ \(\d+\) "
        r"must match the size of tensor)",
        says="Tensors do not fit together in shape",
        remedy="Compare the shapes at the line that the traceback names: model, data and labels disagree there",
    ),
    entry(
        "index-out-of-range",
        Source.EXCEPTION,
        r"IndexError: index out of range in self",
        says="A token or label has a number that the model's embedding does not have",
        remedy="Use the tokenizer that belongs to the model, or enlarge its vocabulary",
    ),
    entry(
        "device-side-assert",
        Source.EXCEPTION,
        _CUDA_ERROR + r" device-side assert triggered",
        says="A check on the GPU failed: nearly always a token or label whose number is out of range",
        remedy="Use the tokenizer that belongs to the model; CUDA_LAUNCH_BLOCKING=1, or a run on the CPU, names the "
        "line",
    ),
    entry(
        "gpu-broken",
        Source.EXCEPTION,
        _CUDA_ERROR
        + r" (?P<what>uncorrectable (?:ECC|NVLink) error|hardware stack error|Invalid access of peer GPU memory over "
        r"nvlink or a hardware error)",
        says="The GPU itself failed ({what})",
        remedy="Try again on another node, and have this one's GPU looked after",
        cause=Cause.INFRASTRUCTURE,
    ),
    entry(
        "illegal-memory-access",
        Source.EXCEPTION,
        _CUDA_ERROR + r" (?:an illegal memory access was encountered|misaligned address|unspecified launch failure)",
        says="A program on the GPU reached for memory that is not its own",
        remedy="Run once with CUDA_LAUNCH_BLOCKING=1 to see where; a CUDA extension, or torch and driver that do not "
        "fit, are usual",
        weight=Weight.GENERAL,
    ),
    entry(
        "no-kernel-image",
        Source.EXCEPTION,
        _CUDA_ERROR + r" no kernel image is available for execution on the device",
        says="The image's PyTorch was not built for this kind of GPU",
        remedy="Use an image whose CUDA knows the GPU, or choose other nodes by a node selector",
    ),
)
