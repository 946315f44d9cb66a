#!/usr/bin/env bash
# Judges the twin and leaves all that a build server shows or keeps in the folder dtc-out. Runs on your machine as it
# does on the server. Ends with the exit code of `dtc certify`: 0 level reached, 1 a MUST failed, 6 undecided, 7 the
# target cannot be judged. DTC (the program) and DTC_TARGET, DTC_LEVEL, DTC_OUT may be set from outside.
set -euo pipefail

target=${DTC_TARGET:-'@TARGET@'}
level=${DTC_LEVEL:-'@LEVEL@'}
out=${DTC_OUT:-dtc-out}
dtc=${DTC:-dtc}

if ! command -v "$dtc" >/dev/null 2>&1; then
  python3 -m venv .dtc-venv
  PATH="$PWD/.dtc-venv/bin:$PATH"
  @INSTALL@
fi

# A key that the server holds signs; without one dtc makes a key for this run, which nobody trusts yet.
sign=()
if [ -n "${DTC_SIGNING_KEY_FILE:-}" ]; then sign=(--key "$DTC_SIGNING_KEY_FILE"); fi

rm -rf "$out" && mkdir -p "$out"
code=0
"$dtc" certify "$target" --level "$level" --out "$out/runs" ${sign[@]+"${sign[@]}"} || code=$?

run=$(ls -d "$out"/runs/*/ 2>/dev/null | head -n 1)
if [ -n "$run" ]; then
  "$dtc" report "$run" --to junit,sarif,markdown,html --out "$out/"
  mv "$out"/runs/*.dtcpack.tar.gz "$out/" 2>/dev/null || echo "no package was signed" >&2
  if [ -n "${GITHUB_ACTIONS:-}" ]; then "$dtc" report "$run" --to github; fi
  if [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then cat "$out/report.md" >>"$GITHUB_STEP_SUMMARY"; fi
fi
exit "$code"
