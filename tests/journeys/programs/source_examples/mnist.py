"""PyTorch as public examples train it: torchvision's transforms, a small convolution, TorchScript as the model."""

import argparse
import json
import os

import sagemaker_containers  # noqa: F401
import torch
from torch import nn
from torchvision import transforms


def pictures(count):
    """Return pictures of two kinds and what they are: bright in the upper or in the lower half."""
    random = torch.Generator().manual_seed(3)
    kinds = torch.arange(count) % 2
    noise = torch.rand((count, 1, 8, 8), generator=random) * 0.2
    noise[kinds == 0, :, :4] += 0.8
    noise[kinds == 1, :, 4:] += 0.8
    return transforms.Normalize((0.5,), (0.5,))(noise), kinds


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--hosts", type=list, default=json.loads(os.environ["SM_HOSTS"].replace("'", '"')))
    parser.add_argument("--num-gpus", type=int, default=os.environ["SM_NUM_GPUS"])
    parser.add_argument("--model-dir", default=os.environ["SM_MODEL_DIR"])
    args = parser.parse_args()
    torch.manual_seed(1)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    data, target = pictures(64)
    for epoch in range(args.epochs):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(data), target)
        loss.backward()
        optimizer.step()
        print(f"epoch {epoch}: loss={loss.item():.4f};")
    print(f"accuracy={(model(data).argmax(1) == target).float().mean().item()};")
    torch.jit.save(torch.jit.script(model.cpu()), os.path.join(args.model_dir, "model.pt"))
