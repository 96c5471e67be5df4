#!/usr/bin/env bash
# The last step of action.yml: verify.sh BITMEND. What the action was given
# comes by environment variables, so that none of it is taken for a command.
set -euo pipefail

arguments=()
while IFS= read -r flag; do
  if [ -n "$flag" ]; then arguments+=("$flag"); fi
done <<< "${BITMEND_FLAGS:-}"
if [ -n "${BITMEND_CHANGED_SINCE:-}" ]; then
  arguments+=("--changed-since=$BITMEND_CHANGED_SINCE")
fi
arguments+=(--)
while IFS= read -r path; do
  if [ -n "$path" ]; then arguments+=("$path"); fi
done <<< "${BITMEND_PATHS:-.}"
exec "$1" verify --format=github "${arguments[@]}"
