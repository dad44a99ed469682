"""What the readers and writers of data sets, checkpoints and files say."""

from __future__ import annotations

from airflow_kubeflow_trainer.trainjob.diagnosis.catalogue.entry import Entry, Source, Weight, entry
from airflow_kubeflow_trainer.trainjob.diagnosis.causes import Cause

DATA: tuple[Entry, ...] = (
    entry(
        "dataset-not-found",
        Source.EXCEPTION,
        r"datasets\.exceptions\.DatasetNotFoundError: Dataset '(?P<name>[^']+)' (?:doesn't exist|is a gated "
        r"dataset|is a private)",
        says="There is no data set {name} that the program may read",
        remedy="Correct its name; for a gated or private one, give a token (HF_TOKEN in env, or an initializer's "
        "secret_ref)",
    ),
    entry(
        "dataset-folder-empty",
        Source.EXCEPTION,
        r"(?:datasets\.data_files\.EmptyDatasetError: The directory at (?P<empty>\S+) doesn't contain any data files"
        r"|(?:datasets\.exceptions\.DataFilesNotFoundError: No \(supported\) data files found in|FileNotFoundError: "
        r"Couldn't find "
        r"any data file at) (?P<folder>\S+?)\.?(?:\s|$))",
        says="There are no data files in {empty}{folder}",
        remedy="Look what the data set's initializer has fetched: its storage_uri and ignore_patterns decide; the "
        "format may be one "
        "that `datasets` does not read",
    ),
    entry(
        "dataset-file-missing",
        Source.EXCEPTION,
        r"FileNotFoundError: Unable to find '(?P<file>[^']+)'",
        says="There is no data file {file}",
        remedy="Correct data_files, which is a path in the pod: what an initializer fetched lies under "
        "/workspace/dataset",
    ),
    entry(
        "dataset-split-unknown",
        Source.EXCEPTION,
        r"ValueError: Unknown split \"(?P<split>[^\"]+)\"\. Should be one of (?P<known>\[[^\]]*\])",
        says="The data set has no split {split}; it has {known}",
        remedy="Set split to one of them",
    ),
    entry(
        "dataset-unreadable",
        Source.EXCEPTION,
        r"(?:datasets\.exceptions\.DatasetGeneration(?:Cast)?Error: An error occurred while generating the dataset"
        r"|pyarrow\.lib\.ArrowInvalid: (?P<what>JSON parse error: .{1,80}|Parquet magic bytes not found in footer|CSV "
        r"parse error: .{1,80}))",
        says="A file of the data set cannot be read ({what})",
        remedy="See that the format in `source` is the files' own, and that every line or row of them has the same "
        "form",
    ),
    entry(
        "checkpoint-not-safetensors",
        Source.EXCEPTION,
        r"(?:safetensors\._safetensors_rust\.)?SafetensorError: Error while deserializing(?: header)?: "
        r"(?P<what>.{1,60})",
        says="A checkpoint's file is no safetensors file, or only part of one ({what})",
        remedy="Fetch it again: a download that broke off, and Git LFS pointers in place of files, look like that",
    ),
    entry(
        "checkpoint-does-not-fit",
        Source.EXCEPTION,
        r"RuntimeError: Error\(s\) in loading state_dict for (?P<model>\w+):",
        says="The checkpoint does not belong to this model ({model}): names or shapes of its weights differ",
        remedy="Use the runtime, or the model's settings, that belong to the checkpoint",
    ),
    entry(
        "disk-full",
        Source.EXCEPTION,
        # Of two, the first is where it was copied from.
        r"(?:OSError: \[Errno 28\] No space left on device(?:: (?:'[^']+' -> )?'(?P<path>[^']+)')?"
        r"|(?:safetensors\._safetensors_rust\.)?SafetensorError: Error while serializing: .*No space left on device)",
        says="A disk is full: {path}",
        remedy="Give the claim behind /workspace more room, or write less: fewer checkpoints, "
        "save_adapter_weights_only",
    ),
    entry(
        "checkpoint-write-failed",
        Source.EXCEPTION,
        r"RuntimeError: (?:\[enforce fail at inline_container\.cc:\d+\]|PytorchStreamWriter failed writing file)",
        says="PyTorch could not write a checkpoint to its end, as happens on a full disk",
        remedy="See how much room is left where it is written; give the claim behind /workspace more, or keep fewer "
        "checkpoints",
        weight=Weight.GENERAL,
    ),
    entry(
        "disk-quota",
        Source.EXCEPTION,
        r"OSError: \[Errno 122\] Disk quota exceeded(?:: (?:'[^']+' -> )?'(?P<path>[^']+)')?",
        says="A quota on the volume is used up: {path}",
        remedy="Raise the quota, or write less: fewer checkpoints, save_adapter_weights_only",
    ),
    entry(
        "volume-lost",
        Source.EXCEPTION,
        r"OSError: \[Errno (?P<number>5|116|107)\] (?P<what>Input/output error|Stale file handle|Transport endpoint "
        r"is not connected)",
        says="A volume failed under the program ({what})",
        remedy="Try again; where it comes again, look after the storage",
        cause=Cause.INFRASTRUCTURE,
    ),
    entry(
        "read-only",
        Source.EXCEPTION,
        r"OSError: \[Errno 30\] Read-only file system(?:: '(?P<path>[^']+)')?",
        says="A volume may only be read: {path}",
        remedy="Write under /workspace, or mount a volume that can be written",
    ),
    entry(
        "permission-denied",
        Source.EXCEPTION,
        r"PermissionError: \[Errno 13\] Permission denied(?:: '(?P<path>[^']+)')?",
        says="The program may not open {path}",
        remedy="The container's user has to own what it writes: set fsGroup or runAsUser by runtime_patches, or write "
        "elsewhere",
        weight=Weight.GENERAL,
    ),
    entry(
        "file-missing",
        Source.EXCEPTION,
        r"FileNotFoundError: \[Errno 2\] No such file or directory: '(?P<path>[^']+)'",
        says="There is no {path} in the pod",
        remedy="Correct the path; an initializer's model lies under /workspace/model, its data set under "
        "/workspace/dataset",
        weight=Weight.GENERAL,
    ),
)
