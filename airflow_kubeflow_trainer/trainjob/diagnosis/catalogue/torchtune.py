"""What TorchTune says, and OmegaConf, which reads its configuration."""

from __future__ import annotations

from airflow_kubeflow_trainer.trainjob.diagnosis.catalogue.entry import Entry, Source, entry

TORCHTUNE: tuple[Entry, ...] = (
    entry(
        "torchtune-key-unknown",
        Source.EXCEPTION,
        r"TypeError: (?P<component>\w+(?:\.\w+)*)\(\) got an unexpected keyword argument '(?P<key>\w+)'",
        frames="torchtune/config/",
        says="TorchTune's {component} has no setting {key}",
        remedy="Correct the key in overrides; the signature of {component} in TorchTune's documentation lists them",
    ),
    entry(
        "torchtune-setting-missing",
        Source.EXCEPTION,
        r"omegaconf\.errors\.(?:ConfigAttributeError|ConfigKeyError|MissingMandatoryValue): (?:Missing key "
        r"(?P<key>\S+)|Key "
        r"'(?P<name>[^']+)' (?:is not in struct|not found)|Missing mandatory value: (?P<value>\S+))",
        says="The recipe asks for the setting {key}{name}{value}, which its configuration does not have",
        remedy="Add it in overrides, or choose a configuration that belongs to the recipe",
    ),
    entry(
        "torchtune-component-unknown",
        Source.EXCEPTION,
        r"torchtune\.config\._errors\.InstantiationError: Error loading '(?P<component>[^']+)'",
        says="TorchTune cannot load the component {component}",
        remedy="Correct its dotted path in overrides, and see that the image's TorchTune has it",
    ),
    entry(
        "torchtune-override-malformed",
        Source.EXCEPTION,
        r"ValueError: Command-line overrides must be in the form of key=value, got (?P<text>.{1,80})",
        says="TorchTune cannot read the override {text}",
        remedy="Write overrides as key=value; a value may hold no further equals sign",
    ),
    entry(
        "torchtune-config-missing",
        Source.EXCEPTION,
        r"FileNotFoundError: \[Errno 2\] No such file or directory: '(?P<config>[^']+)'",
        frames="torchtune/config/_parse.py",
        says="TorchTune has no configuration {config}",
        remedy="Name one that `tune ls` lists for the recipe; a runtime's name decides it for the stock runtimes",
    ),
    entry(
        "torchtune-recipe-missing",
        Source.EXCEPTION,
        r"ImportError: No module named (?P<recipe>\S+)",
        frames="torchtune/_cli/",
        says="TorchTune has no recipe {recipe}",
        remedy="Name one that `tune ls` lists",
    ),
    entry(
        "torchtune-not-distributed",
        Source.OUTPUT,
        r"tune run: error: Recipe (?P<recipe>\S+) does not support distributed training",
        says="{recipe} is a recipe for one process, and was started with several",
        remedy="Set num_proc_per_node=1, or ask for several GPUs so that the distributed recipe is chosen",
    ),
    entry(
        "torchtune-column-missing",
        Source.EXCEPTION,
        r"KeyError: '(?P<column>[^']+)'",
        frames="torchtune/data/",
        says="The data set has no column {column}",
        remedy="Say what its columns are called with column_map, for example "
        'TorchTuneInstructDataset(column_map={{"input": "question", "output": "answer"}})',
    ),
    entry(
        "torchtune-column-map",
        Source.EXCEPTION,
        r"ValueError: Expected a key of '(?P<key>\w+)' in column_map but found (?P<found>.{1,80})",
        says="column_map has no {key}",
        remedy="Give column_map the keys input and output, each with the data set's own name for it",
    ),
    entry(
        "torchtune-output-in-checkpoint",
        Source.EXCEPTION,
        r"ValueError: The output directory cannot be the same as or a subdirectory of the checkpoint directory",
        says="The output would lie inside the checkpoint that is read",
        remedy="Set output_dir to a folder elsewhere, such as /workspace/output",
    ),
    entry(
        "torchtune-checkpoint-missing",
        Source.EXCEPTION,
        r"(?:ValueError: No file with name: (?P<file>.+ found in \S+?)\.?(?:\s|$)|ValueError: (?P<folder>\S+) is not "
        r"a valid "
        r"directory|FileNotFoundError: \[Errno 2\] No such file or directory: '(?P<path>[^']+)')",
        frames="torchtune/training/checkpointing/",
        says="The model's folder lacks what TorchTune reads from it: {file}{folder}{path}",
        remedy="Look what the model's initializer has fetched: its storage_uri and ignore_patterns decide; it takes "
        "the "
        "safetensors files and config.json",
    ),
    entry(
        "torchtune-tokenizer-missing",
        Source.EXCEPTION,
        r"FileNotFoundError: \[Errno 2\] No such file or directory: '(?P<path>[^']+)'",
        frames="torchtune/modules/transforms/tokenizers/",
        says="There is no tokenizer at {path}",
        remedy="Let the model's initializer fetch it: ignore_patterns must not leave out original/tokenizer.model or "
        "vocab.json",
    ),
    entry(
        "device-unknown",
        Source.EXCEPTION,
        r"RuntimeError: Expected one of cpu, cuda, .* device type at start of device string: (?P<device>\S+)",
        says="There is no kind of device called {device}",
        remedy="Set device to cuda or cpu",
    ),
)
