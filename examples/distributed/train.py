"""Trains a small network on the digits of scikit-learn with any number of processes, by DDP or FSDP.

torchrun starts it: RANK, WORLD_SIZE, LOCAL_RANK and the address of the first rank are in the environment. After each
epoch the state goes into KEDGE_CHECKPOINTS; a start that finds one there continues behind it, also with another number
of processes.
"""

import argparse
import os

import torch
import torch.distributed as dist
from sklearn.datasets import load_digits
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_state_dict, set_state_dict
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)
FROM_FIRST = StateDictOptions(full_state_dict=True, broadcast_from_rank0=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--strategy", choices=["ddp", "fsdp"], default="ddp")
    parser.add_argument("--fail-at", type=int, help="end with an error in this epoch, the first time")
    args = parser.parse_args()

    has_gpu = torch.cuda.is_available()
    dist.init_process_group("nccl" if has_gpu else "gloo")
    rank, world = dist.get_rank(), dist.get_world_size()
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if has_gpu else torch.device("cpu")

    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(64, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10)).to(device)
    if args.strategy == "fsdp":
        fully_shard(model)
    else:
        model = DistributedDataParallel(model, device_ids=[device.index] if has_gpu else None)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)

    path = os.path.join(os.environ["KEDGE_CHECKPOINTS"], "last.pt")
    first = resume(path, model, optimizer, rank)
    rows, labels = (torch.tensor(part, device=device) for part in load_digits(return_X_y=True))
    rows = rows.float() / 16
    for epoch in range(first, args.epochs):
        # The same order in every process; each takes its share of it.
        order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(epoch))[rank::world].to(device)
        batches = order[: len(rows) // world].split(64)
        for batch in batches:
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(rows[batch]), labels[batch])
            loss.backward()
            optimizer.step()
        if args.fail_at == epoch and first <= 0:
            raise RuntimeError(f"asked to fail in epoch {epoch}")
        save(path, model, optimizer, rank, epoch)
        if rank == 0:
            print(f"::kedge:progress {epoch + 1}/{args.epochs}", flush=True)

    with torch.no_grad():
        right = (model(rows).argmax(dim=1) == labels).float().mean().item()
    if rank == 0:
        print(f"::kedge:metric accuracy {right:.4f}", flush=True)
        print(f"{world} processes, from epoch {first}, accuracy {right:.4f}", flush=True)
    dist.destroy_process_group()


def resume(path: str, model: torch.nn.Module, optimizer: torch.optim.Optimizer, rank: int) -> int:
    """The epoch to go on with. The first rank reads the checkpoint and gives each its part."""
    found = [torch.load(path, weights_only=True) if rank == 0 and os.path.exists(path) else {}]
    epoch = torch.tensor(found[0].get("epoch", -1))
    dist.broadcast(epoch, 0)
    if epoch >= 0:
        set_state_dict(
            model,
            optimizer,
            model_state_dict=found[0].get("model", {}),
            optim_state_dict=found[0].get("optimizer", {}),
            options=FROM_FIRST,
        )
    return int(epoch) + 1


def save(path: str, model: torch.nn.Module, optimizer: torch.optim.Optimizer, rank: int, epoch: int) -> None:
    """The first rank writes the whole state beside the old one and then puts it in its place."""
    model_state, optimizer_state = get_state_dict(model, optimizer, options=WHOLE)
    if rank == 0:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        torch.save({"epoch": epoch, "model": model_state, "optimizer": optimizer_state}, f"{path}.new")
        os.replace(f"{path}.new", path)


main()
