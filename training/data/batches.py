"""The images of each batch of an epoch: shuffled one by one, or in the pairs that people were shown."""

from collections.abc import Sequence
from itertools import chain

import torch
from torch import Tensor

from training.data.loading import generator

Pairs = Sequence[tuple[int, int]]
"""Positions of a real and a fake image among the training images."""


def shuffled_batches(n: int, *, batch_size: int, seed: int, epoch: int) -> list[Tensor]:
    """Indices of each batch of an epoch, (batch_size,) int64: a function of n, seed and epoch alone.

    A last batch of one image joins the batch before it: batch normalisation needs two values.
    """
    return _split(torch.randperm(n, generator=generator(seed, "order", epoch)), batch_size)


def paired_batches(n: int, pairs: Pairs, *, batch_size: int, seed: int, epoch: int) -> list[Tensor]:
    """As `shuffled_batches`, with both images of a pair in one batch; every image once.

    Pairs are taken in a new order in each epoch, those whose images are still free: an image of several pairs
    is in one of them, which one changes from epoch to epoch. The other images are put together by twos, and
    fill up the batches like pairs.

    batch_size : even, so that no batch ends inside a pair
    """
    order = torch.randperm(len(pairs), generator=generator(seed, "pairs", epoch)).tolist()
    free, twos = [True] * n, list[tuple[int, int]]()
    for real, fake in (pairs[at] for at in order):
        if free[real] and free[fake]:
            free[real] = free[fake] = False
            twos.append((real, fake))
    rest = [one for one in torch.randperm(n, generator=generator(seed, "order", epoch)).tolist() if free[one]]
    twos += zip(rest[::2], rest[1::2], strict=False)
    places = torch.randperm(len(twos), generator=generator(seed, "places", epoch)).tolist()
    odd = rest[-1:] if len(rest) % 2 else []
    return _split(torch.tensor([*chain.from_iterable(twos[at] for at in places), *odd]), batch_size)


def _split(order: Tensor, batch_size: int) -> list[Tensor]:
    batches = list(torch.split(order, batch_size))
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches
