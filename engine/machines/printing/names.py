"""Names: identifiers for a declaration's names in a language that reserves some words.

Invariants: within one printed text no two things share a name, and none is a reserved word; the
same declaration always gets the same names.
"""

import re
from collections.abc import Iterable
from typing import Final

_PART: Final = re.compile(r"[A-Za-z0-9]+")


class Names:
    """Hands out identifiers, each once."""

    def __init__(self, reserved: Iterable[str] = ()) -> None:
        self._taken = set(reserved)

    def take(self, wanted: str) -> str:
        """Return ``wanted``, or as near to it as is still free."""
        name, number = wanted, 1
        while name in self._taken:
            number += 1
            name = f"{wanted}_{number}"
        self._taken.add(name)
        return name


def identifier(text: str) -> str:
    """Return the text as letters, digits and underscores, with a letter first."""
    plain = re.sub(r"\W", "_", _ascii(text), flags=re.ASCII)
    return plain if plain[:1].isalpha() else f"x{plain}"


def camel(text: str) -> str:
    """Return the text's words joined, each with a capital: ``begin_run`` → ``BeginRun``."""
    words = _PART.findall(_ascii(text))
    return identifier("".join(word[0].upper() + word[1:] for word in words))


def shortened(text: str, words: int) -> str:
    """Return the first words of a sentence, for a name made of it."""
    return " ".join(_PART.findall(_ascii(text))[:words])


def ascii_text(text: str) -> str:
    """Return the text for a comment that old tools can read: one line, and no letter lost."""
    for sign, plain in (("→", "->"), ("≠", "#"), ("≤", "<="), ("≥", ">=")):
        text = text.replace(sign, plain)
    return " ".join(text.split()).encode("ascii", "backslashreplace").decode()


def _ascii(text: str) -> str:
    return "".join(letter if letter.isascii() else f"u{ord(letter):x}" for letter in text)
