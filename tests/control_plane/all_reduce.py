"""The smallest distributed training: two nodes add up what they have."""

SCRIPT = """
import torch, torch.distributed as dist
dist.init_process_group("gloo")
value = torch.tensor([float(dist.get_rank() + 1)])
dist.all_reduce(value)
print("the sum is", value.item(), "over", dist.get_world_size(), flush=True)
dist.barrier()
dist.destroy_process_group()
"""
AS_SHELL = f"torchrun /dev/stdin <<'EOF'\n{SCRIPT}\nEOF"
SUM_OF_TWO = "the sum is 3.0 over 2"
