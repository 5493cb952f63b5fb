"""Font files that are embedded in PDF reports. `LICENCES.txt` has their licences."""

from pathlib import Path

#: Latin, Greek, Cyrillic, Arabic with its joined forms, Hebrew, symbols, some emoji.
DEJAVU_SANS = Path(__file__).parent / "DejaVuSans.ttf"
#: Chinese, Japanese and Korean.
WQY_MICRO_HEI = Path(__file__).parent / "wqy-microhei.ttc"
