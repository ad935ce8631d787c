"""The decoder's step beside the limit of the memory, for more and more rows.

    python -m saberlm.scripts.bench_steps
    python -m saberlm.scripts.bench_steps --device cuda --rows 1 8 64 256

A step makes one token of each row. It reads all weights once, and of each row the keys and values
of what was said before; the limit is what the memory's measured speed allows of that. Where weights
and cache fit the processor's own cache, that is read faster than the memory: both speeds are told.
The quickest of many steps counts, so that other work on the machine does not.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from saberlm.infer.decoder import Decoder

TRIES = 100
PART_BYTES = 2**22
FAR_BYTES = 2**29
"""More than any processor's cache holds."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="bench_steps", description=__doc__)
    parser.add_argument("--model", default="nano")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument(
        "--dtype", choices=["float32", "bfloat16"], help="default: bfloat16 on a GPU"
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--context", type=int, default=500, help="tokens before the step")
    parser.add_argument("--json", metavar="FILE", help="write the figures here as well")
    args = parser.parse_args(argv)

    import torch

    from saberlm.adapter.loading import load_model
    from saberlm.infer.decoder import make_decoder
    from saberlm.infer.row_sampler import LIVE
    from saberlm.prompts.vocab import fingerprint

    dtype = None if args.dtype is None else getattr(torch, args.dtype)
    model = load_model(args.model, fingerprint(), device=args.device, dtype=dtype).model
    width = int(model.config.text_config.hidden_size)
    figures = measure_steps(make_decoder(model, LIVE), args.rows, args.context, width)
    if args.device == "cuda":
        figures["peak_memory_mb"] = torch.cuda.max_memory_allocated() / 2**20
        print(f"peak memory of the GPU: {figures['peak_memory_mb']:.0f} MB")
    if args.json:
        Path(args.json).write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return 0


def measure_steps(
    decoder: Decoder, rows: Sequence[int], context: int, width: int
) -> dict[str, Any]:
    """A table of steps beside their limit, printed.

    Args:
        decoder: of a model; what its slots hold is lost.
        rows: for each line how many.
        context: tokens that each row holds before the step.
        width: of the embeddings.
    """
    import numpy as np

    device = decoder.device
    speeds = {"memory": _speed(device, FAR_BYTES)}
    if device.type == "cpu":
        speeds["cache"] = _speed(device, decoder.weight_bytes)
    print(
        f"{decoder.weight_bytes / 1e6:.1f} MB of weights a step, {decoder.token_bytes} bytes of"
        f" cache a token, {context} tokens before it; "
        + ", ".join(f"{name} {speed / 1e9:.1f} GB/s" for name, speed in speeds.items())
    )
    limits = [f"limit ({name})" for name in speeds]
    columns = ["rows", "ms a step", "tokens/s", *limits]
    print("".join(f"{name:>16}" for name in columns))
    figures: dict[str, Any] = {"context": context, "bandwidth": speeds, "steps": []}
    chance = np.random.default_rng(0)
    for count in rows:
        decoder.resize(count)
        slots = list(range(count))
        pieces = [chance.normal(size=(1, width)).astype(np.float32) for _ in slots]
        best = np.inf
        for _ in range(max(10, TRIES // count)):
            decoder.lengths = [context] * count
            started = time.perf_counter()
            decoder.extend(slots, pieces)
            best = min(best, time.perf_counter() - started)
        read = decoder.weight_bytes + count * context * decoder.token_bytes
        most = [count * speed / read for speed in speeds.values()]
        figures["steps"].append(
            {"rows": count, "seconds": best, "tokens_per_second": count / best, "limits": most}
        )
        print(
            f"{count:16}{1000 * best:16.3f}{count / best:16.0f}"
            + "".join(f"{limit:16.0f}" for limit in most),
            flush=True,
        )
    return figures


def _speed(device: torch.device, nbytes: int) -> float:
    """Bytes a second at which one thread, or a GPU, reads so many bytes again and again, at
    best."""
    if device.type == "cpu":
        return _reading(nbytes)
    import torch

    numbers = torch.ones(nbytes // 4, device=device)
    seconds = []
    for _ in range(20):
        torch.cuda.synchronize()
        started = time.perf_counter()
        numbers.sum()
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return nbytes / min(seconds)


def _reading(nbytes: int) -> float:
    import numpy as np
    from numba import njit

    @njit(fastmath=True)  # so that it adds many at a time
    def total(numbers: Any) -> Any:
        out = np.float32(0)
        for i in range(numbers.shape[0]):  # an iterator would add one at a time
            out += numbers[i]
        return out

    # part after part, round and round: short enough that other work does not come between
    parts = np.array_split(np.ones(nbytes // 4, np.float32), -(-nbytes // PART_BYTES))
    total(parts[0])  # compiles
    best = 0.0
    for at in range(2 * max(TRIES, len(parts))):
        part = parts[at % len(parts)]
        started = time.perf_counter()
        total(part)
        best = max(best, part.nbytes / (time.perf_counter() - started))
    return best


if __name__ == "__main__":
    sys.exit(main())
