"""Data-parallel training of a small network, started by torchrun on each host: all ranks end with the same weights."""

import argparse
import os
import sys

import torch
import torch.distributed as distributed
from torch.nn.parallel import DistributedDataParallel

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int)
given = parser.parse_args()

distributed.init_process_group("gloo")
rank, size = distributed.get_rank(), distributed.get_world_size()
torch.manual_seed(3)
x = torch.randn(64, 4)
y = x @ torch.tensor([[1.0], [-2.0], [0.5], [3.0]])
model = DistributedDataParallel(torch.nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(given.epochs):
    loss = torch.nn.functional.mse_loss(model(x[rank::size]), y[rank::size])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"rank {rank} of {size}: loss={loss.item():.6f};", flush=True)
weights = [torch.zeros_like(model.module.weight) for _ in range(size)]
distributed.all_gather(weights, model.module.weight.detach())
assert all(torch.equal(weights[0], other) for other in weights), "the ranks have gone apart"
if rank == 0:
    torch.save(model.module.state_dict(), os.path.join(os.environ["SM_MODEL_DIR"], "model.pt"))
distributed.destroy_process_group()
# Not through the interpreter's shutdown, during which gloo's threads may abort the process (PyTorch pull request 179291).
sys.stdout.flush()
os._exit(0)
