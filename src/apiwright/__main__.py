import sys

from apiwright.cli import main

sys.exit(main())
