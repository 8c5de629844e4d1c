"""Pictures in an LMDB, such as LSUN's: every value an encoded picture, named by its key."""
from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO

from nets.errors import UserError, one_line
from train.convert.source import Source, check_bytes

DATA = "data.mdb"


def recognise(path: Path, part: str) -> Source | None:
    if path.is_file() and path.name == DATA:
        path = path.parent
    is_one = (path / DATA).is_file() if path.is_dir() else path.suffix.lower() in (".mdb", ".lmdb")
    return Lmdb(path) if is_one else None


class Lmdb(Source):
    """In the order of its keys; one that is no plain text is named by its bytes in hexadecimal."""
    kind = "LMDB"

    def __init__(self, path: Path):
        super().__init__(path)
        try:
            import lmdb
        except ModuleNotFoundError:
            raise UserError(f"{path}: reading an LMDB needs a package that is not here: pip install lmdb") from None
        try:
            self._data = lmdb.open(str(path), subdir=path.is_dir(), readonly=True, lock=False, readahead=False)
            with self._data.begin() as transaction, transaction.cursor() as cursor:
                self._keys = list(cursor.iternext(values=False))
        except lmdb.Error as error:
            raise UserError(one_line(f"{path}: cannot be read as an LMDB: {error}")) from None
        self.names = [_name(key) for key in self._keys]

    def open(self, index: int) -> BinaryIO:
        with self._data.begin() as transaction:
            value = transaction.get(self._keys[index])
        check_bytes(len(value or b""))
        return io.BytesIO(value)

    def close(self) -> None:
        self._data.close()


def _name(key: bytes) -> str:
    text = key.decode("ascii", "replace")
    return text if text.isprintable() and "\ufffd" not in text else key.hex()
