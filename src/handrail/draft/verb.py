"""Which verb a tool is: guessed from the words of its name, its description, and the server's hints.

A guess errs towards asking. A name decides; a hint that a tool only reads can fill in where the name says nothing, and
can never turn a name that writes into a read. What nobody can tell is `execute`, and asks every time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from handrail.core.effect import Verb

_LEADING: dict[Verb, str] = {
    Verb.READ: """get list read search find fetch show describe view query select status log diff lookup count check
        inspect stat stats info browse tree head tail cat history blame explain preview peek exists retrieve whoami ls
        grep glob scan summarize summary compare validate verify help is has""",
    Verb.CREATE: "create add new insert make mkdir init register commit append open generate book issue",
    Verb.UPDATE: """update edit set modify patch replace write put save change alter rename merge checkout reset
        configure enable disable assign close reopen mark resolve tag label restore sync upsert stage unstage archive
        toggle overwrite rebase revert import increment decrement""",
    Verb.DELETE: """delete remove drop rm rmdir unlink purge clear destroy terminate truncate erase uninstall cancel
        discard prune forget""",
    Verb.COPY: "copy duplicate clone fork cp backup",
    Verb.MOVE: "move mv relocate",
    Verb.SEND: "send post publish reply notify email message comment tweet push upload submit broadcast forward",
    Verb.PAY: "pay refund charge transfer purchase buy payout withdraw",
    Verb.GRANT: "grant permit authorize share invite revoke allow promote unshare",
    Verb.EXECUTE: """run execute exec eval shell command invoke call start stop restart deploy trigger script bash
        terminal launch schedule click navigate type press kill spawn install use do perform apply build""",
}
"""Words that tell the verb where they are the first such word of a name."""

_PLAIN: dict[Verb, str] = {
    Verb.CREATE: "create add insert mkdir append",
    Verb.UPDATE: "update edit modify patch replace write overwrite rename upsert alter set save",
    Verb.DELETE: "delete remove drop rm purge destroy terminate truncate erase unlink clear",
    Verb.COPY: "duplicate clone",
    Verb.MOVE: "move mv",
    Verb.SEND: "send publish notify upload",
    Verb.PAY: "pay refund purchase",
    Verb.GRANT: "grant invite revoke",
    Verb.EXECUTE: "execute exec eval run invoke deploy",
}
"""Words that are a verb wherever they stand in a name; `comment` or `order` are nouns behind a `get`."""

LEADING = {word: verb for verb, words in _LEADING.items() for word in words.split()}
PLAIN = {word: verb for verb, words in _PLAIN.items() for word in words.split()}

HINTED = "The server says that it only reads: look."
"""What is said where a hint of the server agrees with the words of a name."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SENTENCE = re.compile(r"[^.!?\n]*")
_SQL = re.compile(r"\b(?:sql|sqlite|select|insert|database)\b", re.IGNORECASE)


class Guess(NamedTuple):
    """A verb, and why.

    Attributes:
        verb: What the tool is taken to do.
        why: The reason, without a full stop; words of the tool in it are plain letters.
        look: What a person should look at, a sentence; `""` for nothing in particular.
    """

    verb: Verb
    why: str
    look: str = ""


def guess(tool: Mapping[str, object]) -> Guess:
    """Return the verb of a tool.

    Args:
        tool: The tool as its server lists it.
    """
    name = tool.get("name")
    words = words_of(name if isinstance(name, str) else "")
    found = _by_name(words)
    says_read = _hint(tool, "readOnlyHint")
    sql = _takes_sql(tool, words)
    if found is None:
        if says_read is True and not sql:
            return Guess(Verb.READ, "its name tells nothing, and the server says that it only reads", "Look at it.")
        return Guess(Verb.EXECUTE, "its name does not tell what it does")
    verb, word = found
    why = f"its name says '{word}'"
    if verb is not Verb.READ:
        look = "The server says that it only reads, and its name does not." if says_read is True else ""
        if sql:
            return Guess(Verb.EXECUTE, f"{why}, and it takes SQL", look)
        return Guess(verb, why, look)
    if says_read is False:
        return Guess(Verb.EXECUTE, f"{why}, and the server says that it does not only read")
    if sql:
        sure = says_read is True or bool({"read", "select"} & set(words))
        look = "SQL can also write: look at what the server does with it."
        return Guess(Verb.READ, why, look) if sure else Guess(Verb.EXECUTE, "it takes SQL, which can also write")
    told = _by_description(tool)
    if told is not None and says_read is not True:
        return Guess(told[0], f"{why}, and its description says '{told[1]}'")
    return Guess(Verb.READ, why, HINTED if says_read is True else "")


def words_of(name: str) -> list[str]:
    """Return the words of a name in lower case: `getUserByID` and `get-user_by.id` have the same."""
    return [word.lower() for word in _WORD.findall(name)]


def _by_name(words: list[str]) -> tuple[Verb, str] | None:
    """Return the verb that a name leads with, unless it also has a word that can only be a write."""
    leading = next(((LEADING[word], word) for word in words if word in LEADING), None)
    if leading is not None and leading[0] is Verb.READ:
        return next(((PLAIN[word], word) for word in words if word in PLAIN), leading)
    return leading


def _by_description(tool: Mapping[str, object]) -> tuple[Verb, str] | None:
    """Return the write that the first sentence of a description tells of, as in 'Reads and deletes a message'."""
    text = tool.get("description")
    if not isinstance(text, str):
        return None
    return next(_told(words_of(_sentence(text))), None)


def _sentence(text: str) -> str:
    found = _SENTENCE.match(text.strip()[:500])
    return "" if found is None else found[0]


def _told(words: list[str]) -> Iterator[tuple[Verb, str]]:
    for before, word in zip(["and", *words], words, strict=False):
        if before not in {"and", "then", "or"}:
            continue  # a noun: 'Lists the runs of a workflow'
        for stem in (word.removesuffix("s"), word.removesuffix("es")):
            if word.endswith("s") and stem in PLAIN:
                yield PLAIN[stem], word


def _hint(tool: Mapping[str, object], key: str) -> bool | None:
    hints = tool.get("annotations")
    value = hints.get(key) if isinstance(hints, dict) else None
    return value if isinstance(value, bool) else None


def _takes_sql(tool: Mapping[str, object], words: list[str]) -> bool:
    """Whether a tool runs the text of a query: an argument `sql`, or one `query` and a word about SQL."""
    if "sql" in words:
        return True
    schema = tool.get("inputSchema")
    properties = schema.get("properties") if isinstance(schema, dict) else None
    names = {str(key).lower() for key in properties} if isinstance(properties, dict) else set()
    if names & {"sql", "sql_query", "statement"}:
        return True
    return bool(names & {"query", "q"}) and _SQL.search(str(tool.get("description", ""))[:2_000]) is not None
