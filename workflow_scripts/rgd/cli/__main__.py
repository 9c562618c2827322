"""``python -m rgd.cli``, for when the command ``rgd`` is not on the PATH."""

import sys

from rgd.cli import main

sys.exit(main())
