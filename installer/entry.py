"""Where both Windows programs begin; they share everything but their file name and whether they have a console."""

import sys
from pathlib import Path

from app.__main__ import main, windowed

if Path(sys.executable).stem.lower() == "caravan-cli":
    main()
else:
    windowed()
