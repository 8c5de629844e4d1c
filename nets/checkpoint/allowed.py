"""The globals a checkpoint may call, and the inert values those calls become. Nothing here is the thing named."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .blob import Blob, Malformed
from .numpy_pickle import Dtype, as_blob, from_buffer, reconstruct, scalar
from .torch_storage import Storage, StoredTensor
from .values import Global, Instance, key_of

MODULE_PACKAGES = ("torch.nn.", "timm.", "torchvision.", "pg_modules.")   # StyleGAN-XL's discriminator is made of these


def resolve(name: Global) -> Callable[..., Any] | None:
    """What calling, or creating an object of, the global `name` yields; None if no checkpoint needs it."""
    if name.module.split(".")[-2:] == ["torch_utils", "persistence"] and name.name == "_reconstruct_persistent_obj":
        return _persistent_object
    if name.name == "EasyDict" and "dnnlib" in name.module.split("."):
        return _dict
    if name.module.startswith(MODULE_PACKAGES) or (name.module, name.name) in NETWORK_CLASSES:
        return lambda *args: Instance(name)
    return CALLS.get((name.module, name.name))


def _persistent_object(meta: Any) -> Instance:
    """StyleGAN's pickled modules: a dict with the class's source code (left alone), its name and the state."""
    if not isinstance(meta, dict) or not isinstance(meta.get("class_name"), str) or not isinstance(
            meta.get("state"), dict):
        raise Malformed("is damaged: a module has no class name or no state")
    return Instance(Global("torch_utils.persistence", meta["class_name"]), meta["state"])


def _items(values: Any) -> Any:
    """Only containers are copied: a call's cost is then its result's length."""
    if not isinstance(values, (list, tuple, set, frozenset, dict)):
        raise Malformed("is damaged: it makes a container of what is none")
    return values


def _dict(*args: Any) -> dict:
    if not args:
        return {}
    pairs = args[0].items() if isinstance(args[0], dict) else _items(args[0])
    return {key_of(key): value for key, value in pairs}


def _encode(text: Any, encoding: Any = "latin1") -> Any:
    """Bytes as protocols 0 to 2 of Python 3 hold them."""
    if encoding not in ("latin1", "latin-1") or not isinstance(text, (str, Blob)):
        raise Malformed("is damaged: it encodes text in a way no pickle does")
    return text.encode("latin-1") if isinstance(text, str) else text


def _byte_string(data: Any = b"", encoding: Any = None) -> Any:
    return data if isinstance(data, Blob) else as_blob(data).read()


def _reconstructor(cls: Any, base: Any, state: Any) -> Any:
    """copyreg's way to create an object before protocol 2."""
    made = resolve(cls) if isinstance(cls, Global) else None
    if made is None:
        raise Malformed(f"creates {cls if isinstance(cls, Global) else 'what is no class'}, which no checkpoint needs")
    return _dict(state) if isinstance(state, dict) else made()


def _tensor(storage: Any, offset: Any, shape: Any, stride: Any, *others: Any) -> StoredTensor:
    return StoredTensor(storage, offset, shape, stride)


def _parameter(tensor: Any, *others: Any) -> Any:
    return tensor


def _typed_tensor(function: Any, kind: Any, args: Any, state: Any) -> Any:
    """A tensor with attributes of its own."""
    if not isinstance(function, Global) or function.module != "torch._utils" or not isinstance(args, tuple):
        raise Malformed("is damaged: a tensor is not made of a storage")
    return CALLS[function.module, function.name](*args)


NETWORK_CLASSES = {("dnnlib.tflib.network", "Network"), ("tfutil", "Network")}
BUILTINS = {
    "set": lambda values=(): set(map(key_of, _items(values))),
    "frozenset": lambda values=(): frozenset(map(key_of, _items(values))),
    "list": lambda values=(): list(_items(values)),
    "tuple": lambda values=(): tuple(_items(values)),
    "dict": _dict,
    "bytes": _byte_string,
    "bytearray": _byte_string,
}
NUMPY = {
    ("multiarray", "_reconstruct"): reconstruct,
    ("multiarray", "scalar"): scalar,
    ("numeric", "_frombuffer"): from_buffer,
}
CALLS: dict[tuple[str, str], Callable[..., Any]] = {
    **{(module, name): call for module in ("builtins", "__builtin__") for name, call in BUILTINS.items()},
    **{(f"{core}.{module}", name): call for core in ("numpy.core", "numpy._core")
       for (module, name), call in NUMPY.items()},
    ("numpy", "dtype"): Dtype,
    ("_codecs", "encode"): _encode,
    ("copyreg", "_reconstructor"): _reconstructor,
    ("copy_reg", "_reconstructor"): _reconstructor,
    ("collections", "OrderedDict"): _dict,
    ("collections", "defaultdict"): lambda factory=None, *items: _dict(*items),
    ("torch", "Size"): lambda sizes=(): tuple(_items(sizes)),
    ("torch", "device"): lambda *args: Instance(Global("torch", "device")),
    ("torch.storage", "_load_from_bytes"): lambda data: Storage(as_blob(data)),
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch._utils", "_rebuild_parameter_with_state"): _parameter,
    ("torch._tensor", "_rebuild_from_type_v2"): _typed_tensor,
}
