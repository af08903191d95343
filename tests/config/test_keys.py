"""Tests of `corsgate.config.keys`: each key is declared once, and then known everywhere."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from datetime import date

from jsonschema import Draft202012Validator
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.diff import differences
from corsgate.config.keys import all_keys, field_of, key_of
from corsgate.config.model.values import Cors, Limits, Upstream
from corsgate.config.reference import reference
from corsgate.config.schema import config_schema
from corsgate.config.toml.keys import AnyKey, Keys
from corsgate.errors import ConfigError
from tests.config.places import PLACES, read, start_of, with_key

SECRETS = 'A secret, such as password = { env = "NAME" }'
NOT_DIFFERENT = frozenset(("type", "grant"))
"""Keys whose example is what the table has already, since another value needs other keys."""
VAGUE = re.compile(r"\b(but for|mend|is told|as ever|so many)\b", re.IGNORECASE)
MAX_WORDS = 25


def pairs() -> Iterator[tuple[Keys, AnyKey]]:
    """Return each key with its table."""
    for keys in all_keys():
        for key in keys.keys:
            yield keys, key


class KeysTests(SynchronousTestCase):
    """The tables of all keys."""

    def test_every_table_has_a_place(self) -> None:
        """The tests below know each table, so that a new one can't be forgotten."""
        self.assertEqual([keys.heading for keys in all_keys()], list(PLACES))
        for heading in PLACES:
            read(start_of(heading))

    def test_examples(self) -> None:
        """Each example is valid in its place, by the reader and by the schema."""
        schema = Draft202012Validator(config_schema())
        for keys, key in pairs():
            _, new = changed(keys, key)
            read(new)
            found = [error.message for error in schema.iter_errors(new)]
            self.assertEqual((keys.heading, key.name, found), (keys.heading, key.name, []))

    def test_every_key_is_read(self) -> None:
        """A date is never valid, and it is a fault of exactly this key."""
        for keys, key in pairs():
            old, _ = changed(keys, key)
            new = with_key(old, keys.heading, key.name, date(2026, 1, 1))
            with self.assertRaises(ConfigError, msg=f"{keys.heading} {key.name}") as caught:
                read(new)
            found = [fault.key for fault in caught.exception.faults]
            # What a secret is made of, is a fault of the secret.
            name = "token" if keys.heading == SECRETS else key.name
            self.assertTrue(
                any(re.search(rf"(^|\.){name}\b", each) for each in found), (keys.heading, found)
            )

    def test_ranges(self) -> None:
        """The ends of a range are valid, and what is beyond them is a fault of the key."""
        seen = 0
        for table, keys in zip(reference(), all_keys(), strict=True):
            for entry, key in zip(table.keys, keys.keys, strict=True):
                ends = re.fullmatch(r"(\w+) to (\w+)", entry.range)
                if ends is None:
                    continue
                seen += 1
                old, _ = changed(keys, key)
                low, high = (value_of(entry.type, text) for text in ends.groups())
                for value in (low, high):
                    read(with_key(old, keys.heading, key.name, value))
                for value in (beyond(low, -1), beyond(high, 1)):
                    if value is not None:
                        new = with_key(old, keys.heading, key.name, value)
                        with self.assertRaises(ConfigError, msg=f"{key.name} {value}") as caught:
                            read(new)
                        self.assertIn(key.name, str(caught.exception))
        self.assertGreater(seen, 40)

    def test_every_key_makes_a_difference(self) -> None:
        """`corsgate diff` reports the change from the file without the key to its example."""
        for keys, key in pairs():
            old, new = changed(keys, key)
            try:
                before = read(old)
            except ConfigError:  # The key replaces one that is required.
                old = start_of(keys.heading)
                before = read(old)
            if key.name not in NOT_DIFFERENT:
                found = differences(before, read(new), old, new)
                self.assertTrue(found, f"{keys.heading} {key.name}")

    def test_descriptions(self) -> None:
        """Sentences are short, whole, and for users of files."""
        for keys in all_keys():
            for words in (keys.description, *(key.description for key in keys.keys)):
                self.assertRegex(words, r"^[A-Z\"].*[.]$")
                self.assertNotRegex(words, VAGUE)
                self.assertNotRegex(words, "None|`")
                for sentence in re.split(r"(?<=[.;]) ", words):
                    self.assertLessEqual(len(sentence.split()), MAX_WORDS, sentence)

    def test_fields(self) -> None:
        """A key sets the field of its name, or the one that it names."""
        for model, field, name in (
            (Limits, "connect_timeout_s", "connect_timeout"),
            (Cors, "max_age_s", "max_age"),
            (Upstream, "ca_pem", "ca"),
        ):
            key = key_of(model, field)
            assert key is not None
            self.assertEqual((key.name, field_of(key, model)), (name, field))
        self.assertIsNone(key_of(Upstream, "pool"))


def value_of(kind: str, text: str) -> object:
    """Return an end of a range as a value of a file."""
    if kind in ("duration", "size"):
        return text
    return [int(text)] if kind.startswith("array") else int(text)


def beyond(end: object, step: int) -> object:
    """Return a value that is further than the end of a range; None if there is none."""
    match end:
        case int():
            return end + step
        case [int() as number]:
            return [number + step]
        case str():
            unit = end.lstrip("0123456789")
            further = int(end.removesuffix(unit)) + step
            return f"{further}{unit}" if further >= 0 else None
    raise AssertionError(end)


def changed(keys: Keys, key: AnyKey) -> tuple[dict[str, object], dict[str, object]]:
    """Return a document without a key, as far as it can be, and with its example."""
    old = start_of(keys.heading, key.name)
    example = tomllib.loads(f"{key.name} = {key.example}")[key.name]
    return old, with_key(old, keys.heading, key.name, example)
