"""The text of each cause."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.explain.block_causes import WORDS, Cause


class WordsTests(SynchronousTestCase):
    """`WORDS`."""

    def test_every_cause_has_words(self) -> None:
        """No cause lacks its text, and no text lacks its cause."""
        self.assertEqual(set(WORDS), set(Cause))

    def test_sentences(self) -> None:
        """Each text is whole sentences of at most 25 words, on one line."""
        for cause, words in WORDS.items():
            for said in (words.what, words.fix):
                self.assertRegex(said, r"\A[A-Z\"].*\.\Z", cause)
                for sentence in said.split(". "):
                    self.assertLessEqual(len(sentence.split()), 25, sentence)

    def test_no_two_causes_read_alike(self) -> None:
        """A reader can tell the causes apart."""
        self.assertEqual(len({words.what for words in WORDS.values()}), len(Cause))
