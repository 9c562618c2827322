"""``python -m rgd.cli``, where the command ``rgd`` is not on the PATH."""

import sys

from rgd.cli import main

sys.exit(main())
