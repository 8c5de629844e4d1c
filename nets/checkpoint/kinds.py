"""What a file is, by its first bytes: for saying so where it is no checkpoint."""
from __future__ import annotations

from .blob import Malformed

ORIGINAL = "open the .pkl the network was published as, or a .safetensors this program wrote"
UNREAD_LAYOUT = ("is a torch.save file (rosinality, GenForce and others write such); this layout isn't read yet",
                 ORIGINAL)
SIGNATURES: tuple[tuple[bytes, tuple[str, str]], ...] = (
    (b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.", UNREAD_LAYOUT),        # the magic number of the legacy format
    (b"version https://git-lfs", ("is a Git LFS pointer, not the file itself", "run `git lfs pull`")),
    (b"\xff\xd8\xff", ("is a JPEG picture, not a checkpoint", ORIGINAL)),
    (b"\x89PNG", ("is a PNG picture, not a checkpoint", ORIGINAL)),
    (b"GIF8", ("is a GIF picture, not a checkpoint", ORIGINAL)),
    (b"\x89HDF", ("is an HDF5 file, not a checkpoint", ORIGINAL)),
    (b"\x93NUMPY", ("is a NumPy array, not a checkpoint", ORIGINAL)),
    (b"\x1f\x8b", ("is compressed", "decompress it with gunzip first")),
    (b"7z\xbc\xaf", ("is a 7z archive", "unpack it first")),
    (b"Rar!", ("is a RAR archive", "unpack it first")),
    (b"%PDF", ("is a PDF document, not a checkpoint", ORIGINAL)),
)


def refuse_known(start: bytes) -> None:
    """Raises Malformed if the first kilobyte of a file shows that it is something else."""
    for signature, said in SIGNATURES:
        if start.startswith(signature):
            raise Malformed(*said)
    if start.startswith(b"PK\x03\x04"):
        if b"data.pkl" in start[:200]:
            raise Malformed(*UNREAD_LAYOUT)
        raise Malformed("is a zip archive, not a checkpoint", "unpack it first")
    if start.lstrip()[:1] == b"<":
        raise Malformed("is a web page, not a checkpoint", "download the file itself rather than its page")


def looks_pickled(start: bytes) -> bool:
    """Protocols 2 to 5 say so; 0 and 1 begin with a container or a global."""
    return start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05") or start[:1] in (
        b"(", b"]", b"}", b")", b"c")
