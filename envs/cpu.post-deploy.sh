#!/usr/bin/env bash
set -euo pipefail
# Of this project nothing is installed: a job's script finds the package beside itself, in the checkout that runs it.
python -m pip install --quiet --no-deps -r envs/lock-cpu.txt
