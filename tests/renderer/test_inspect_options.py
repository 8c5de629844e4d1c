"""The options of `inspect`: every type that a field may have is read and written, and wrong words are refused."""
import argparse
from dataclasses import dataclass
from typing import ClassVar, Literal

import pytest

from nets.errors import UserError
from renderer import inspect_options
from renderer.inspection import KINDS, check, option
from renderer.types import Checkpoint, Latent, MixTable, RenderRequest, SeedGrid, sources


@dataclass(frozen=True)
class Every:
    """Has a field of each type."""
    kind: ClassVar[str] = "every"
    whole: int = option(1, "a whole number", -5, 5)
    share: float = option(0.5, "a number", 0)
    name: str = option("", "a name of 100 % letters")
    is_on: bool = option(True, "on or off")
    way: Literal["up", "down"] = option("up", "which way")
    power: Literal[1, 2, 4] = option(1, "how much")
    parts: tuple[int, ...] = option((1, 2), "parts", 0, 9)
    place: tuple[float, float] = option((0.5, 0.5), "a place", 0, 1)
    names: tuple[str, ...] = option((), "names")
    limit: int | None = option(None, "a limit")


@dataclass(frozen=True)
class Other:
    """Shares a field."""
    kind: ClassVar[str] = "other"
    whole: int = option(7, "how many")


@pytest.fixture(autouse=True)
def kinds(monkeypatch):
    monkeypatch.setitem(KINDS, "every", Every)
    monkeypatch.setitem(KINDS, "other", Other)


def read(*words: str, fitted=lambda request: request) -> RenderRequest:
    parser = argparse.ArgumentParser(exit_on_error=False)
    inspect_options.add_options(parser)
    return inspect_options.request_of(parser.parse_args(words), fitted)


VALUES = [
    ("--whole=-3", Every(whole=-3)), ("--share=0.1", Every(share=0.1)), ("--share=1e-300", Every(share=1e-300)),
    ("--name=b64.conv0 act", Every(name="b64.conv0 act")), ("--no-is-on", Every(is_on=False)),
    ("--way=down", Every(way="down")), ("--power=4", Every(power=4)), ("--parts=3,4,5", Every(parts=(3, 4, 5))),
    ("--place=0.25,1.0", Every(place=(0.25, 1.0))), ("--names=a,b", Every(names=("a", "b"))),
    ("--limit=12", Every(limit=12)), ("--name=-x", Every(name="-x")), ("--names=", Every(names=("",))),
]


@pytest.mark.parametrize("words, inspection", VALUES)
def test_what_is_read_is_what_is_written(words, inspection):
    assert read("demo:stylegan1", "every", words).inspect == inspection
    assert inspect_options.written(inspection) == ([words], None)


def test_defaults_need_no_words():
    assert read("demo:stylegan1", "every").inspect == Every()
    assert inspect_options.written(Every()) == ([], None)
    assert read("demo:stylegan1", "every", "--is-on").inspect == Every()


@pytest.mark.parametrize("inspection", [
    Every(parts=()), Every(names=("a,b",)), Every(name="a\nb"), Every(names=(" a",))])
def test_what_has_no_words_is_left_to_a_state(inspection):
    assert inspect_options.written(inspection) == ([], inspection)


def test_what_has_words_is_not_left():
    assert inspect_options.written(Every(whole=2, name="\t")) == (["--whole=2"], Every(name="\t"))


@pytest.mark.parametrize("words", [
    "--whole=1.5", "--whole=", "--share=x", "--share=inf", "--way=left", "--power=3", "--parts=1,x", "--place=0.5",
    "--place=1,2,3", "--limit=none"])
def test_wrong_words(words):
    with pytest.raises(argparse.ArgumentError):
        read("demo:stylegan1", "every", words)


@pytest.mark.parametrize("inspection, words", [
    (Every(whole=6), "whole is 6, it must be from -5 to 5."),
    (Every(share=-0.1), "share is -0.1, it must be at least 0."),
    (Every(parts=(3, 10)), r"parts is \(3, 10\), it must be from 0 to 9."),
    (Every(place=(0.5, 1.5)), r"place is \(0.5, 1.5\), it must be from 0 to 1.")])
def test_limits(inspection, words):
    check(Every())
    with pytest.raises(UserError, match=f"^{words}$"):
        check(inspection)


def test_a_field_of_several_kinds_is_one_option():
    assert read("demo:stylegan1", "other", "--whole", "3").inspect == Other(3)
    with pytest.raises(UserError, match="other has no option --is-on"):
        read("demo:stylegan1", "other", "--no-is-on")
    parser = argparse.ArgumentParser()
    inspect_options.add_options(parser)
    words = " ".join(parser.format_help().split())
    assert "every, other: a whole number / how many" in words and "every: a name of 100 % letters" in words


def test_many_pictures_are_not_looked_into(tmp_path):
    """A state's table or grid gives way; its latent stays."""
    from renderer.state import to_json
    request = RenderRequest(Checkpoint("demo:stylegan1"), Latent(4.0), inspect=Every(whole=2))
    for many in ({"table": MixTable(sources(1), sources(2), (0,))}, {"seeds": SeedGrid((1, 2))}):
        (tmp_path / "state.json").write_text(to_json(RenderRequest(
            request.checkpoint, request.latent, inspect=request.inspect, **many)), encoding="utf-8")
        assert read("--state", str(tmp_path / "state.json")) == request
        assert read("every", "--state", str(tmp_path / "state.json"), "--whole=3").inspect == Every(whole=3)
        assert read("other", "--state", str(tmp_path / "state.json")).inspect == Other()
