"""The words that people read: none of the worst ones, and no sentence that is too long.

Two lists name what has still to be rewritten. They only get shorter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from twisted.trial.unittest import SynchronousTestCase

from tests.prose import Prose
from tests.tree import ROOT, files

WORST: Final = {
    r"mend(s|ed|ing)?": "fix",
    r"but for": "except for, without",
    r"(is|are|was|were) told": "is reported, gets, knows",
    r"so many": "name the number, or say: that many",
    r"as ever": "as before, still",
    r"hardly meant": "probably unintended",
    r"whither|whence|thereof|hereof|therein": "where, from where, of it, in it",
    r"for ever": "forever",
    r"put(s)? right": "fix, correct, repair",
    r"of (its|their) own accord": "by itself",
    r"take it that": "record, assume",
    r"as (the|its) \w+ has it": "as in",
    r"would have it": "in the form that",
    r"goes? unseen": "is missed",
    r"held against": "compared with",
}
"""Patterns of words, and what to write instead."""

MAX_WORDS: Final = 25
"""Of one sentence."""

_WORST = re.compile(rf"\b({'|'.join(WORST)})\b", re.IGNORECASE)
_STRUCTURE = re.compile(r"^(\s*([-*+]|\d+\.)\s+|#+ .*|\s*$)")


def worst_in(text: str) -> list[str]:
    """Return the worst words in a text."""
    return [match[0] for match in _WORST.finditer(" ".join(text.split()))]


def paragraphs(text: str) -> Iterator[str]:
    """Return each paragraph and list item of Markdown, without code, tables and headings."""
    prose = re.sub(r"(?s)<!--.*?-->", "", Prose(text=text).unfenced())
    found: list[str] = []
    for line in [*prose.splitlines(), ""]:
        if line.startswith(("|", "    ", "---")):
            continue
        if _STRUCTURE.match(line):
            if found:
                yield " ".join(found)
            found = []
        if not line.startswith("#"):
            found.append(_STRUCTURE.sub("", line).strip() if _STRUCTURE.match(line) else line)
            found = [each.strip() for each in found if each.strip()]


def sentences(text: str) -> Iterator[str]:
    """Return each sentence of Markdown; inline code is one word, a link is its text."""
    for paragraph in paragraphs(text):
        plain = re.sub(r"`+[^`]*`+", "code", paragraph)
        plain = re.sub(r"!?\[([^]]*)\]\([^)]*\)", r"\1", plain)
        plain = re.sub(r"[*_<>]", "", plain)
        # A sentence may end inside quotes or parentheses.
        yield from re.split(r"(?<=[.!?])[\")]*\s+(?=[\"(]?[A-Z\d]|code)", plain)


def words_of(sentence: str) -> int:
    """Return how many words a sentence has; what has no letter and no digit is none."""
    return sum(bool(re.search(r"\w", word)) for word in sentence.split())


def pages() -> list[str]:
    """Return the path of each page that people read."""
    found = (path.relative_to(ROOT).as_posix() for path in files("docs", "README.md"))
    return [path for path in found if path.endswith(".md")]


class WordsTests(SynchronousTestCase):
    """What is written for people."""

    def check(self, path: Path) -> None:
        """No worst word is in a file."""
        for word in worst_in(path.read_text("utf-8")):
            instead = next(fix for bad, fix in WORST.items() if re.fullmatch(bad, word, re.I))
            self.fail(f"{path.relative_to(ROOT)}: not {word!r}, but: {instead}")

    def test_documents(self) -> None:
        """README, documents, CHANGELOG, and the files in etc/ with their comments."""
        for path in files("README.md", "CHANGELOG.md", "docs", "etc"):
            if path.suffix in (".md", ".toml", ".yml", ".service", ".socket", ".py"):
                self.check(path)

    def test_program(self) -> None:
        """Messages, docstrings and comments of the program."""
        seen = 0
        for path in files("corsgate"):
            if path.suffix in (".py", ".html", ".js"):
                self.check(path)
                seen += 1
        self.assertGreater(seen, 300)

    def test_sentences(self) -> None:
        """No sentence of a page has more than 25 words."""
        long = {
            page: found
            for page in pages()
            if (
                found := [
                    sentence
                    for sentence in sentences((ROOT / page).read_text("utf-8"))
                    if words_of(sentence) > MAX_WORDS
                ]
            )
        }
        self.assertEqual(long, {})


class RuleTests(SynchronousTestCase):
    """The tests above see what they are meant to see."""

    def test_words(self) -> None:
        """The worst words are found across lines and in any case, and others are not."""
        self.assertEqual(worst_in("Mend it. All but\nfor one."), ["Mend", "but for"])
        self.assertEqual(worst_in("recommend, amends, forever, not so much, buttons"), [])

    def test_sentences(self) -> None:
        """A sentence ends where it ends; code, links, tables and headings count little."""
        text = (
            "# A title. With two parts\n\nOne `a.b c d` two [three four](x.md#y). Five\nsix.\n\n"
            "- seven e.g. eight\n- nine\n\n| no | table |\n\n```sh\nno code\n```\n<!-- no -->\n"
        )
        found = list(sentences(text))
        self.assertEqual(
            found, ["One code two three four.", "Five six.", "seven e.g. eight", "nine"]
        )
        self.assertEqual([words_of(each) for each in found], [5, 2, 3, 1])
        self.assertEqual(words_of("a - b / c"), 3)
