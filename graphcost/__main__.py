"""`python -m graphcost` is the command line."""

from __future__ import annotations

import sys

from graphcost.cli import main

sys.exit(main())
