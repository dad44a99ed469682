"""What the libraries of a training say: CUDA's, NCCL's, those of files."""

from __future__ import annotations

from diagnosis.quoted.origin import CUDA, TORCH, Quoted

PROGRAMS = (
    # --- CUDA: the texts are in torch's own libraries (strings libc10_cuda.so, libtorch_cuda.so), and in CUDA's ---
    Quoted(
        "cuda-out-of-memory",
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.95 GiB. GPU 0 has a total capacity of 14.57 "
        "GiB "
        "of which 1.58 GiB is free. Process 2493055 has 12.02 GiB memory in use.",
        f"{TORCH} c10/cuda/CUDACachingAllocator.cpp",
    ),
    Quoted("cuda-library-out-of-memory", "torch.AcceleratorError: CUDA error: out of memory", f"{CUDA}(2)"),
    Quoted(
        "cuda-library-out-of-memory",
        "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        f"{TORCH} aten/src/ATen/cuda/CublasHandlePool.cpp",
    ),
    Quoted("no-gpu-visible", "RuntimeError: No CUDA GPUs are available", f"{TORCH} c10/cuda/CUDAFunctions.cpp"),
    Quoted(
        "gpu-driver-too-old",
        "RuntimeError: The NVIDIA driver on your system is too old (found version 11040). Please update your GPU "
        "driver",
        f"{TORCH} c10/cuda/CUDAFunctions.cpp",
    ),
    Quoted("invalid-device-ordinal", "torch.AcceleratorError: CUDA error: invalid device ordinal", f"{CUDA}(101)"),
    Quoted(
        "device-mismatch",
        "RuntimeError: Expected all tensors to be on the same device, but got index is on cpu, different from other "
        "tensors on cuda:0 (when checking argument in method wrapper_CUDA__index_select)",
        f"{TORCH} aten/src/ATen/core/op_registration/adaption.cpp (strings libtorch_cpu.so)",
    ),
    Quoted("device-side-assert", "torch.AcceleratorError: CUDA error: device-side assert triggered", f"{CUDA}(710)"),
    Quoted("gpu-broken", "torch.AcceleratorError: CUDA error: uncorrectable ECC error encountered", f"{CUDA}(214)"),
    Quoted(
        "gpu-broken",
        "torch.AcceleratorError: CUDA error: uncorrectable NVLink error detected during the execution",
        f"{CUDA}(220)",
    ),
    Quoted(
        "gpu-broken",
        "torch.AcceleratorError: CUDA error: Invalid access of peer GPU memory over nvlink or a hardware error",
        f"{CUDA}(226)",
    ),
    Quoted(
        "illegal-memory-access",
        "torch.AcceleratorError: CUDA error: an illegal memory access was encountered",
        f"{CUDA}(700)",
    ),
    Quoted(
        "no-kernel-image",
        "torch.AcceleratorError: CUDA error: no kernel image is available for execution on the device",
        f"{CUDA}(209)",
    ),
    Quoted(
        "shared-memory-too-small",
        "RuntimeError: DataLoader worker (pid 31) is killed by signal: Bus error. It is possible that dataloader's "
        "workers are out of shared memory. Please try to raise your shared memory limit.",
        f"{TORCH} torch/csrc/DataLoader.cpp; seen with os.kill(worker, SIGBUS)",
    ),
    Quoted(
        "shared-memory-too-small",
        "RuntimeError: unable to write to file </torch_31_2201_0>: No space left on device (28)",
        f"{TORCH} aten/src/ATen/MapAllocator.cpp",
    ),
    Quoted(
        "data-worker-killed",
        "RuntimeError: DataLoader worker (pid 23667) is killed by signal: Killed. ",
        f"{TORCH} torch/csrc/DataLoader.cpp; seen with os.kill(worker, SIGKILL)",
    ),
    # --- torch.distributed with NCCL ---
    Quoted(
        "nccl-timeout",
        "[rank1]:[E1003 18:37:01.832146912 ProcessGroupNCCL.cpp:607] [Rank 1] Watchdog caught collective operation "
        "timeout: WorkNCCL(SeqNum=6463, OpType=ALLREDUCE, NumelIn=1, NumelOut=1, Timeout(ms)=1800000) ran for 1800017 "
        "milliseconds before timing out.",
        f"{TORCH} torch/csrc/distributed/c10d/ProcessGroupNCCL.cpp, WorkNCCL::checkTimeout",
    ),
    Quoted(
        "nccl-error",
        "torch.distributed.DistBackendError: NCCL error in: "
        "/pytorch/torch/csrc/distributed/c10d/ProcessGroupNCCL.cpp:77, "
        "remote process exited or there was a network error, NCCL version 2.29.7",
        f"{TORCH} torch/csrc/distributed/c10d/NCCLUtils.cpp, ncclGetErrorWithVersion",
    ),
    Quoted(
        "nccl-duplicate-gpu",
        "torch.distributed.DistBackendError: NCCL error in: ProcessGroupNCCL.cpp:77, invalid usage (run with "
        "NCCL_DEBUG=WARN for details), NCCL version 2.29.7\nncclInvalidUsage: This usually reflects invalid usage of "
        "NCCL "
        "library.\nLast error:\nDuplicate GPU detected : rank 1 and rank 0 both on CUDA device 1a000",
        "NCCL 2.29.7 (strings libnccl.so.2) src/init.cc",
    ),
    Quoted(
        "rendezvous-refused",
        "torch.distributed.elastic.rendezvous.api.RendezvousConnectionError: The connection to the C10d store has "
        "failed. "
        "See inner exception for details.",
        f"{TORCH} torch/distributed/elastic/rendezvous/c10d_rendezvous_backend.py:101",
    ),
    # --- data, files ---
    Quoted(
        "disk-full",
        "safetensors._safetensors_rust.SafetensorError: Error while serializing: I/O error: No space left on device "
        "(os "
        "error 28)",
        "safetensors 0.8 safetensors/src/tensor.rs; std::io::Error",
    ),
    Quoted(
        "binary-mismatch",
        "ImportError: /opt/venv/lib/python3.11/site-packages/flash_attn_2_cuda.so: undefined symbol: "
        "_ZN3c104cuda9SetDeviceEi",
        "glibc elf/dl-lookup.c",
    ),
    Quoted(
        "packages-conflict",
        "ERROR: ResolutionImpossible: for help visit https://pip.pypa.io",
        "pip 23.2.1 _internal/resolution/resolvelib/factory.py:728",
    ),
)
