"""Reads a pickle opcode by opcode, under budgets, and runs nothing in it.

The opcodes are those of Python's `pickletools` (protocols 0 to 5). Numbers, text and containers become what they are;
long byte strings become `Blob`s (positions in the file, not copies); a global becomes an inert `Global` that
remembers its name. What a call of a global yields is up to `resolve`, an allow-list; all others are refused by name.
"""
from __future__ import annotations

import pickletools
import re
import struct
from collections.abc import Callable
from typing import Any

from .blob import Blob, Malformed, TextBlob
from .values import Global, key_of, to_dict

MAX_STEPS = 500_000          # opcodes, and items copied by calls; a 1024² snapshot of three networks takes 40 000
MAX_TEXT = 16 << 20          # bytes of text decoded and of integers
MAX_WORD = 4096              # text above this stays in the file: it is source code, or bytes in disguise
MAX_LINE = 1 << 16           # protocol 0
MAX_DEPTH = 1000             # marks; Python's own pickler stops about there
MAX_INTEGER = 255            # bytes
CHUNK = 1 << 16
NOTHING_RAN = "nothing in the file was run"


class Reader:
    """The pickles in `blob`, one after the other; the budgets are for all of them together.

    `resolve(global)` returns what a call of the global yields, as a function of its arguments, or None if it is not
    allowed. `persistent(id)` stands in for persistent ids. `progress(fraction)` may raise to give up.
    """

    def __init__(self, blob: Blob, resolve: Callable[[Global], Callable | None], persistent: Callable | None = None,
                 progress: Callable[[float], None] = lambda fraction: None):
        self.blob, self.position = blob, 0
        self._resolve, self._persistent, self._progress = resolve, persistent, progress
        self._chunk, self._chunk_start = b"", 0
        self._stack: list[Any]
        self._below: list[list]                # the stacks below the marks
        self._memo: dict[int, Any]
        self._steps = self._text = 0

    def read(self) -> Any:
        """The next pickle's value; `position` is behind it then. Raises Malformed."""
        self._stack, self._below, self._memo = [], [], {}
        try:
            while (opcode := self._take(1)) != b".":
                if opcode not in OPCODES:
                    raise Malformed("is not a checkpoint, or is damaged: its bytes are no pickle")
                self._spend(1)
                if self._steps % 1024 == 0:
                    self._progress(self.position / max(self.blob.size, 1))
                OPCODES[opcode](self)
            return self._stack.pop()
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            raise Malformed(f"is damaged at byte {self.position} of its pickle", "get the file again") from error

    # -- bytes

    def _take(self, size: int) -> bytes:
        start = self.position - self._chunk_start
        if start + size > len(self._chunk):
            if size > self.blob.size - self.position:
                raise Malformed("is truncated", "get the file again")
            self._chunk = self.blob.read(self.position, min(max(size, CHUNK), self.blob.size - self.position))
            self._chunk_start, start = self.position, 0
        self.position += size
        return self._chunk[start:start + size]

    def _number(self, form: str) -> Any:
        return struct.unpack(form, self._take(struct.calcsize(form)))[0]

    def _line(self) -> bytes:
        end = self._chunk.find(b"\n", self.position - self._chunk_start)
        if end < 0:
            size = min(MAX_LINE, self.blob.size - self.position)
            self._take(size)                          # for the chunk it fetches
            self.position -= size
            end = self._chunk.find(b"\n", self.position - self._chunk_start)
        if end < 0:
            raise Malformed("is not a checkpoint, or is truncated: a line of its pickle does not end")
        line = self._take(self._chunk_start + end + 1 - self.position)[:-1]
        self._spend(0, text=len(line))
        return line

    def _skip(self, size: int, kind: type[Blob] = Blob) -> Blob:
        part = self.blob.view(self.position, size, kind)
        self.position += size
        return part

    def _spend(self, steps: int, text: int = 0) -> None:
        self._steps += steps
        self._text += text
        if self._steps > MAX_STEPS or self._text > MAX_TEXT:
            raise Malformed("is built of more pieces than a checkpoint can have", NOTHING_RAN)

    # -- values

    def _push(self, value: Any) -> None:
        self._stack.append(value)             # looked up here: a value's making may have changed the stack

    def _push_text(self, size: int, encoding: str, errors: str) -> None:
        if size > MAX_WORD:
            self._push(self._skip(size, Blob if encoding == "latin-1" else TextBlob))
        else:
            self._spend(0, text=size)
            self._push(self._take(size).decode(encoding, errors))

    def _push_integer(self, size: int) -> None:
        if not 0 <= size <= MAX_INTEGER:
            raise Malformed(f"holds an integer of {size} bytes", NOTHING_RAN)
        self._spend(0, text=size)
        self._push(int.from_bytes(self._take(size), "little", signed=True))

    def _mark(self) -> None:
        if len(self._below) >= MAX_DEPTH:
            raise Malformed(f"nests deeper than {MAX_DEPTH} levels", NOTHING_RAN)
        self._below.append(self._stack)
        self._stack = []

    def _to_mark(self) -> list:
        items, self._stack = self._stack, self._below.pop()
        return items

    def _pop(self) -> None:
        if self._stack:
            self._stack.pop()
        else:
            self._to_mark()

    def _collect(self, count: int) -> None:
        items = tuple(self._stack[-count:])
        if len(items) < count:
            raise Malformed("is damaged: its pickle takes more than it gave")
        self._stack[-count:] = [items]

    def _top(self, kind: type) -> Any:
        if not isinstance(self._stack[-1], kind):
            raise Malformed("is damaged: its pickle fills what is no container")
        return self._stack[-1]

    def _extend(self, items: list) -> None:
        self._top(list).extend(items)

    def _update(self, items: list) -> None:
        self._top(dict).update(to_dict(items))

    def _pop_many(self, count: int) -> list:
        items = self._stack[-count:]
        del self._stack[-count:]
        return items

    # -- memo

    def _put(self, index: int) -> None:
        if not 0 <= index < MAX_STEPS:
            raise Malformed(f"has memo index {index}, far more than it has values", NOTHING_RAN)
        self._memo[index] = self._stack[-1]

    def _get(self, index: int) -> None:
        self._push(self._memo[index])

    # -- globals

    def _push_global(self, module: Any, name: Any) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise Malformed("is damaged: a global's name is not text")
        self._push(Global(module, name))

    def _call(self, function: Any, args: Any) -> None:
        if not isinstance(function, Global):
            raise Malformed("calls what is no global", NOTHING_RAN)
        allowed = self._resolve(function)
        if allowed is None:
            raise Malformed(f"calls {function}, which no checkpoint needs", NOTHING_RAN)
        if not isinstance(args, tuple):
            raise Malformed(f"is damaged: {function} is called without arguments")
        result = allowed(*args)
        if isinstance(result, (list, tuple, dict, set, frozenset)):
            self._spend(len(result))
        elif isinstance(result, bytes):
            self._spend(0, text=len(result))
        self._push(result)

    def _reduce(self) -> None:
        function, args = self._pop_many(2)
        self._call(function, args)

    def _new_with_keywords(self) -> None:
        function, args, keywords = self._pop_many(3)
        if keywords:
            raise Malformed(f"creates {function} with keyword arguments, which no checkpoint needs", NOTHING_RAN)
        self._call(function, args)

    def _build(self) -> None:
        state = self._stack.pop()
        target = self._stack[-1]
        if isinstance(target, dict):
            return                              # attributes of an OrderedDict, such as a state dict's `_metadata`
        if not hasattr(target, "set_state"):
            raise Malformed("is damaged: its pickle gives a state to a plain value")
        target.set_state(state)

    def _instantiate(self, function: Any, args: list) -> None:
        self._call(function, tuple(args))

    def _frame(self) -> None:
        if self._number("<Q") > self.blob.size - self.position:
            raise Malformed("is truncated", "get the file again")

    def _persist(self, identity: Any) -> None:
        if self._persistent is None:
            raise Malformed("refers to data outside itself", "it is not a checkpoint this program reads")
        self._push(self._persistent(identity))

    def _refuse_extension(self) -> None:
        raise Malformed("uses Python's extension registry, which no checkpoint needs", NOTHING_RAN)

    def _refuse_buffer(self) -> None:
        raise Malformed("refers to data outside itself", "it is not a checkpoint this program reads")


def _text(form: str, encoding: str, errors: str = "strict") -> Callable[[Reader], None]:
    return lambda r: r._push_text(r._number(form), encoding, errors)


def _bytes(form: str) -> Callable[[Reader], None]:
    return lambda r: r._push(r._skip(r._number(form)))


def _number(form: str) -> Callable[[Reader], None]:
    return lambda r: r._push(r._number(form))


def _constant(make: Callable[[], Any]) -> Callable[[Reader], None]:
    return lambda r: r._push(make())


def _gather(make: Callable[[list], Any]) -> Callable[[Reader], None]:
    return lambda r: r._push(make(r._to_mark()))


def _line(convert: Callable[[bytes], Any]) -> Callable[[Reader], None]:
    return lambda r: r._push(convert(r._line()))


def _word(line: bytes) -> str:
    return line.decode("utf-8")


def _integer_or_bool(line: bytes) -> int | bool:
    return line == b"01" if line in (b"00", b"01") else int(line)


def _quoted(line: bytes) -> str:
    """A str of Python 2 as its repr writes it."""
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
        raise ValueError("unquoted string")
    return _ESCAPED.sub(_unescape, line[1:-1]).decode("latin-1")


def _unescape(match: re.Match) -> bytes:
    code = match[1]
    return bytes([int(code[1:], 16)]) if len(code) > 1 else _ESCAPES[code]


_ESCAPED = re.compile(rb"\\(x[0-9a-f]{2}|.?)", re.DOTALL)
_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"\\": b"\\", b"'": b"'", b'"': b'"'}


def _add_items(r: Reader) -> None:
    items = r._to_mark()
    r._top(set).update(map(key_of, items))


def _instance_of_line(r: Reader) -> None:
    r._push_global(_word(r._line()), _word(r._line()))
    function = r._stack.pop()
    r._instantiate(function, r._to_mark())


def _instance_of_mark(r: Reader) -> None:
    function, *args = r._to_mark()
    r._instantiate(function, args)


# By the names of pickletools, which documents each.
_ACTIONS: dict[str, Callable[[Reader], None]] = {
    "PROTO": lambda r: r._take(1),
    "FRAME": Reader._frame,
    "NONE": _constant(lambda: None), "NEWTRUE": _constant(lambda: True), "NEWFALSE": _constant(lambda: False),
    "INT": _line(_integer_or_bool),
    "LONG": _line(lambda line: int(line.rstrip(b"L"))),
    "FLOAT": _line(float),
    "BININT": _number("<i"), "BININT1": _number("<B"), "BININT2": _number("<H"), "BINFLOAT": _number(">d"),
    "LONG1": lambda r: r._push_integer(r._number("<B")), "LONG4": lambda r: r._push_integer(r._number("<i")),
    "STRING": _line(_quoted),
    "UNICODE": _line(lambda line: line.decode("raw-unicode-escape")),
    "BINSTRING": _text("<I", "latin-1"), "SHORT_BINSTRING": _text("<B", "latin-1"),
    "SHORT_BINUNICODE": _text("<B", "utf-8", "surrogatepass"), "BINUNICODE": _text("<I", "utf-8", "surrogatepass"),
    "BINUNICODE8": _text("<Q", "utf-8", "surrogatepass"),
    "SHORT_BINBYTES": _bytes("<B"), "BINBYTES": _bytes("<I"), "BINBYTES8": _bytes("<Q"), "BYTEARRAY8": _bytes("<Q"),
    "NEXT_BUFFER": Reader._refuse_buffer, "READONLY_BUFFER": Reader._refuse_buffer,
    "EMPTY_LIST": _constant(list), "EMPTY_TUPLE": _constant(tuple), "EMPTY_DICT": _constant(dict),
    "EMPTY_SET": _constant(set),
    "LIST": _gather(list), "TUPLE": _gather(tuple), "DICT": _gather(to_dict),
    "FROZENSET": _gather(lambda items: frozenset(map(key_of, items))),
    "TUPLE1": lambda r: r._collect(1), "TUPLE2": lambda r: r._collect(2), "TUPLE3": lambda r: r._collect(3),
    "APPEND": lambda r: r._extend(r._pop_many(1)), "APPENDS": lambda r: r._extend(r._to_mark()),
    "SETITEM": lambda r: r._update(r._pop_many(2)), "SETITEMS": lambda r: r._update(r._to_mark()),
    "ADDITEMS": _add_items,
    "MARK": Reader._mark, "POP": Reader._pop, "POP_MARK": lambda r: r._to_mark(),
    "DUP": lambda r: r._push(r._stack[-1]),
    "PUT": lambda r: r._put(int(r._line())), "BINPUT": lambda r: r._put(r._number("<B")),
    "LONG_BINPUT": lambda r: r._put(r._number("<I")), "MEMOIZE": lambda r: r._put(len(r._memo)),
    "GET": lambda r: r._get(int(r._line())), "BINGET": lambda r: r._get(r._number("<B")),
    "LONG_BINGET": lambda r: r._get(r._number("<I")),
    "GLOBAL": lambda r: r._push_global(_word(r._line()), _word(r._line())),
    "STACK_GLOBAL": lambda r: r._push_global(*r._pop_many(2)),
    "REDUCE": Reader._reduce, "NEWOBJ": Reader._reduce, "NEWOBJ_EX": Reader._new_with_keywords,
    "INST": _instance_of_line, "OBJ": _instance_of_mark, "BUILD": Reader._build,
    "EXT1": Reader._refuse_extension, "EXT2": Reader._refuse_extension, "EXT4": Reader._refuse_extension,
    "PERSID": lambda r: r._persist(_word(r._line())), "BINPERSID": lambda r: r._persist(r._stack.pop()),
}
OPCODES = {info.code.encode("latin-1"): _ACTIONS[info.name] for info in pickletools.opcodes if info.name != "STOP"}
