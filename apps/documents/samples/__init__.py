"""Manuscripts that come with aiWriting: to try it with, and to test with."""

from pathlib import Path

#: Jane Austen's novel as Project Gutenberg gives it out (no. 1342): UTF-8 with BOM, CRLF, header and licence.
PRIDE_AND_PREJUDICE = Path(__file__).with_name("pride-and-prejudice.txt")
