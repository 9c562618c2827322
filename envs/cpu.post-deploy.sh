#!/usr/bin/env bash
set -euo pipefail
python -m pip install --quiet --no-deps -r envs/lock-cpu.txt
python -m pip install --quiet --no-deps --no-build-isolation .
