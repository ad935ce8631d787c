"""``python -m saberlm.scripts.evaluate_onset_head DATA --model MODEL``: what a model's tower hears.

The onset head's likeliest ticks, as many as the human's onsets, scored against the maps of a split
with the right and with another song's sound, by difficulty. No decoder: a minute on one core.
"""

from __future__ import annotations

import argparse
import sys


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="evaluate_onset_head", description=__doc__)
    parser.add_argument("data", help="a dataset made by `saberlm data build`")
    parser.add_argument(
        "--model", default="nano", help="name or folder of a model, or a tower.safetensors"
    )
    parser.add_argument("--split", default="valid", choices=["train", "valid"])
    parser.add_argument("--json", metavar="FILE", help="write a row a map")
    parser.add_argument("--against", metavar="FILE", help="show the difference to such rows")
    args = parser.parse_args(argv)

    import json
    from pathlib import Path

    from tqdm import tqdm

    from saberlm.finetune import onset_report
    from saberlm.finetune.shards import load_dataset
    from saberlm.finetune.tower import load_tower

    try:
        against = None
        if args.against:
            text = Path(args.against).read_text(encoding="utf-8")
            against = onset_report.from_json(json.loads(text))
        tower = load_tower(args.model)
        songs = load_dataset(Path(args.data), args.split)
        rows = onset_report.hear_maps(tower, songs, lambda x: tqdm(x, unit="song", desc="songs"))
        difference = onset_report.render_difference(rows, against) if against else None
    except (ValueError, OSError) as error:
        print(f"evaluate_onset_head: {error}", file=sys.stderr)
        return 1
    print(onset_report.render(rows))
    if difference:
        print(f"\n{difference}")
    if args.json:
        target = Path(args.json)
        partial = target.with_name(target.name + ".partial")
        partial.write_text(json.dumps(onset_report.to_json(rows), indent=1), encoding="utf-8")
        partial.replace(target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
