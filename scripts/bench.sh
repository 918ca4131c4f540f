#!/bin/bash
# Whole-system figures: the fixed-rate scenario at several rates, and the time
# from the start of a run to its first sign-in. Each row is one run; on a small
# shared machine compare rows of one table, not tables.
#
# usage: scripts/bench.sh [RATE...]    sign-ins per second, 1000 2000 3000 by default
set -euo pipefail
cd "$(dirname "$0")/.."

rates=("$@")
[ ${#rates[@]} -gt 0 ] || rates=(1000 2000 3000)
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

row() { printf '%8s %12s %10s %10s %10s %10s %8s  %s\n' "$@"; }
row rate/s answered/s p50 p99 p99.9 lag-p99 lost "CPU a sign-in, µs"
for rate in "${rates[@]}"; do
	dir=$out/$rate
	bin/ptabench run throughput --set load.rate="$rate"/s --out "$dir" --quiet >"$out/verdict" || true
	bin/ptabench report "$dir" --format json >"$out/result.json"
	python3 - "$rate" "$out/result.json" "$(cat "$out/verdict")" <<'PY'
import json, sys
rate, path, verdict = sys.argv[1:]
r = json.load(open(path))
ms = lambda ns: f"{ns/1e6:.2f} ms"
s = r["sign_ins"]
cost = ", ".join(f'{p["name"]} {p["cpu_per_sign_in_ns"]/1e3:.0f}' for p in r["processes"])
print(f'{rate:>8} {r["rate"]["answered_per_s"]:>12.0f} {ms(r["response_ns"]["p50"]):>10} {ms(r["response_ns"]["p99"]):>10} '
      f'{ms(r["response_ns"]["p999"]):>10} {ms(r["lag_ns"]["p99"]):>10} {s["failed"]+s["unknown"]+s["unsent"]:>8}  {cost}  {verdict}')
PY
done
