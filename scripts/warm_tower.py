"""``python -m saberlm.scripts.warm_tower DATA --out DIR --steps N``: the audio tower alone, trained
on its onset head.

Writes ``DIR/tower.safetensors``, for `saberlm.scripts.evaluate_onset_head` and, as a run's own
``tower.safetensors``, for `saberlm train sft`. To compare front ends, give each its data, the same
steps and the same seed: a budget of steps does not depend on how busy the machine is.
"""

from __future__ import annotations

import argparse
import sys

MORE_KINDS = ("noise", "codec", "speed", "bar_phase")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="warm_tower", description=__doc__)
    parser.add_argument("data", help="a dataset made by `saberlm data build`")
    parser.add_argument("--out", required=True, metavar="DIR")
    parser.add_argument("--steps", type=int, default=0, help="budget in steps (0: none)")
    parser.add_argument("--minutes", type=float, default=0, help="budget in minutes (0: none)")
    parser.add_argument("--learning-rate", type=float, default=1.5e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--tower-from",
        metavar="MODEL",
        help="go on from a model's tower, or one made here (default: begin anew)",
    )
    parser.add_argument(
        "--augment",
        nargs="+",
        choices=MORE_KINDS,
        default=[],
        help="beside what nano's tower learned with, see saberlm.finetune.augment",
    )
    args = parser.parse_args(argv)
    if args.steps <= 0 and args.minutes <= 0:
        parser.error("expected --steps or --minutes, found neither")

    import time
    from pathlib import Path

    import torch
    from safetensors.torch import save_file

    from saberlm.adapter.configuration_saber import SaberAudioConfig
    from saberlm.adapter.modeling_saber import SaberAudioTower
    from saberlm.finetune.augment import Augmentation
    from saberlm.finetune.shards import load_dataset
    from saberlm.finetune.tower import load_tower
    from saberlm.finetune.warmup import fit_feature_statistics, warm_up

    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    out = Path(args.out)
    try:
        train, valid = (load_dataset(Path(args.data), split) for split in ("train", "valid"))
    except ValueError as error:
        print(f"warm_tower: {error}", file=sys.stderr)
        return 1
    if args.tower_from:
        tower = load_tower(args.tower_from)
    else:
        tower = SaberAudioTower(SaberAudioConfig(num_features=train[0].frames.shape[1]))
        fit_feature_statistics(tower, train)
    began = time.monotonic()
    warm_up(
        tower,
        train,
        valid,
        output_dir=out / "log",
        minutes=args.minutes or None,
        max_steps=args.steps or None,
        learning_rate=args.learning_rate,
        seed=args.seed,
        augmentation=Augmentation(**dict.fromkeys(args.augment, True)),
    )
    temporary = out / "tower.safetensors.partial"
    save_file({name: t.contiguous() for name, t in tower.state_dict().items()}, temporary)
    temporary.replace(out / "tower.safetensors")
    print(f"{out / 'tower.safetensors'} after {(time.monotonic() - began) / 60:.1f} minutes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
