"""Fine-tune an LLM with LoRA.

The parameters' defaults are for a cluster with GPUs: Qwen2.5-1.5B-Instruct learns from the Alpaca instructions. Any
other model, data set or machine is a matter of parameters; `make demo` passes a small model and its machine.
"""

from __future__ import annotations

from airflow.sdk import DAG, Param

from airflow_kubeflow_trainer import BuiltinTrainerOperator
from airflow_kubeflow_trainer.config import (
    DatasetInitializer,
    Initializer,
    LoraConfig,
    ModelInitializer,
    PersistentVolumeOutput,
    TorchTuneConfig,
    TorchTuneInstructDataset,
)

with DAG(
    "finetune_llm",
    schedule=None,
    # A parameter that is a number or an object stays one.
    render_template_as_native_obj=True,
    tags=["kubeflow", "llm"],
    doc_md=__doc__,
    params={
        "runtime": Param("torchtune-qwen2.5-1.5b", type="string", description="TorchTune runtime on the cluster."),
        "model": Param("hf://Qwen/Qwen2.5-1.5B-Instruct", type="string", description="URI of the pretrained model."),
        "dataset": Param("hf://tatsu-lab/alpaca/data", type="string", description="URI of the data set."),
        "dataset_format": Param(
            "parquet", enum=["parquet", "json", "csv"], description="Format of the data set's files."
        ),
        "question_column": Param("instruction", type="string", description="Column with what the model is asked."),
        "answer_column": Param("output", type="string", description="Column with what it is to answer."),
        "steps": Param(200, type="integer", minimum=1, description="Steps of training."),
        "batch_size": Param(4, type="integer", minimum=1, description="Rows in a step."),
        "learning_rate": Param(3e-4, type="number", exclusiveMinimum=0),
        "device": Param("cuda", enum=["cuda", "cpu"]),
        "dtype": Param("bf16", enum=["bf16", "fp32"], description="Precision of the weights."),
        "resources": Param({"gpu": 1}, type="object", description="What the training pod gets, e.g. cpu, memory, gpu."),
        "overrides": Param({}, type="object", description="TorchTune settings by their names there, above all others."),
        "claim": Param("models", type="string", description="PersistentVolumeClaim that keeps the trained adapter."),
    },
):
    BuiltinTrainerOperator(
        task_id="finetune",
        runtime="{{ params.runtime }}",
        initializer=Initializer(
            dataset=DatasetInitializer(storage_uri="{{ params.dataset }}"),
            model=ModelInitializer(storage_uri="{{ params.model }}"),
        ),
        config=TorchTuneConfig(
            epochs=1,
            max_steps_per_epoch="{{ params.steps }}",
            batch_size="{{ params.batch_size }}",
            gradient_accumulation_steps=1,
            learning_rate="{{ params.learning_rate }}",
            num_warmup_steps=2,
            seed=0,
            device="{{ params.device }}",
            dtype="{{ params.dtype }}",
            peft_config=LoraConfig(lora_rank=8, lora_alpha=16),
            save_adapter_weights_only=True,
            dataset_preprocess_config=TorchTuneInstructDataset(
                source="{{ params.dataset_format }}",
                column_map={"input": "{{ params.question_column }}", "output": "{{ params.answer_column }}"},
            ),
            num_proc_per_node=1,
            resources_per_node="{{ params.resources }}",
            overrides="{{ params.overrides }}",
        ),
        output=PersistentVolumeOutput(claim_name="{{ params.claim }}"),
    )
