"""`python -m dedicated`."""

import sys

from dedicated.cli.main import main

sys.exit(main())
