"""``python -m rgd.cli``, where the command ``rgd`` is not on the path."""

import sys

from rgd.cli import main

sys.exit(main())
