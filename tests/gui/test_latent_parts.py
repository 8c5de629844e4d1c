"""Latents without a window: files, class names and weights, travelling, the grid of seeds, favourites, visits."""
import json
import math
import time
from dataclasses import replace

import fake
import numpy as np
import pytest

from gui import classes, favourites, seedgrid, travel
from gui.favourites import Favourites
from gui.jobs import Jobs
from gui.latents import arrays_of, misfit, read_samples, showing
from gui.messages import Messages
from gui.panels.history import described
from gui.panels.latent import LatentPanel
from gui.requests import MAX_SEED, seed_of
from gui.visits import LIMIT, REST, Visits
from renderer.images import load_request, save_png, thumbnail
from renderer.types import Array, Checkpoint, Latent, Mix, RenderRequest, RenderResult, SeedGrid, Source

INFO = replace(fake.model("plain.pkl"), num_ws=4, w_dim=6, z_dim=5, c_dim=3)
RANDOM = np.random.RandomState(0)
W = RANDOM.randn(2, 4, 6).astype(np.float32)
Z = RANDOM.randn(3, 5).astype(np.float32)


@pytest.fixture
def jobs():
    messages = Messages()
    jobs = Jobs(messages, lambda: None)
    jobs.messages = messages
    yield jobs
    jobs.close()


def done(jobs) -> str:
    """Waits for what was asked for; the last message."""
    finished = []
    jobs.run("finish", lambda: finished.append(1))
    end = time.monotonic() + 10
    while not finished and time.monotonic() < end:
        time.sleep(0.002)
    assert finished
    return jobs.messages.latest.text if jobs.messages.latest else ""


# -- latents in files -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind, values, expected", [
    ("w", W, W), ("w", W[0], W[:1]), ("w", W[:, :1], W[:, :1].repeat(4, 1)), ("w", W[0, 0], W[:1, :1].repeat(4, 1)),
    ("z", Z, Z), ("z", Z[0], Z[:1]), ("w", W.astype(np.float64), W)])
def test_reads_w_and_z(tmp_path, kind, values, expected):
    np.save(tmp_path / "one.npy", values)
    np.savez(tmp_path / "one.npz", **{kind: values, "psi": 0.5})
    for name in ("one.npy", "one.npz"):
        samples = read_samples(tmp_path / name, INFO)
        assert samples.kind == kind and samples.name == name and samples.values.dtype == np.float32
        assert np.array_equal(samples.values, expected)
        latent = samples.latent(len(expected) - 1, Latent(z=Array.of(Z)))
        given = latent.w if kind == "w" else latent.z
        assert np.array_equal(given.numpy(), expected[-1:]) and (latent.z is None) == (kind == "w")
        assert samples.index(given) == len(expected) - 1 and samples.index(Array.of(given.numpy() + 1)) is None


@pytest.mark.parametrize("arrays, words", [
    ({"w": W[:, :3]}, "w has shape [2, 3, 6]; this network takes [N, 4, 6]"),
    ({"z": W}, "z has shape [2, 4, 6]; this network takes [N, 5]"),
    ({"w": W[:0]}, "w has shape [0, 4, 6]"),
    ({"w": W.astype(int)}, "w holds int64 values; floating-point numbers are needed"),
    ({"w": np.where(W == W[0, 0, 0], np.nan, W)}, "not finite"),
    ({"w": W.astype(np.float64) * 1e300}, "not finite"),
    ({"a": W, "b": Z}, "holds the arrays a, b; it needs an array named w or z"),
    ({"w": np.array([{}], object)}, "is no NumPy file of plain numbers")])
def test_refuses_in_one_line_that_names_the_file(tmp_path, arrays, words):
    path = tmp_path / "sämple.npz"
    np.savez(path, **arrays)
    with pytest.raises(ValueError) as error:
        read_samples(path, INFO)
    assert str(error.value).startswith(f"{path}: ") and words in str(error.value) and "\n" not in str(error.value)


HUGE = b"{'descr': '<f4', 'fortran_order': False, 'shape': (999999999999, 512), }".ljust(117) + b"\n"


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04broken", b"\x93NUMPY\x01\x00garbage", b"hello\n" * 9,
                                  b"\x93NUMPY\x01\x00v\x00" + HUGE])
def test_refuses_damaged_files(tmp_path, data):
    path = tmp_path / "damaged.npz"
    path.write_bytes(data)
    with pytest.raises(ValueError, match="damaged.npz: ") as error:
        read_samples(path, INFO)
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="is not there"):
        read_samples(tmp_path / "none.npy", INFO)


def test_saved_w_says_where_it_came_from(tmp_path):
    latent = Latent(x=7.0, y=2.0, psi=0.5, classes=((1, 0.25), (2, 0.75)))
    request = RenderRequest(Checkpoint("/some/net.pkl", content="ab12"), latent)
    arrays = arrays_of(RenderResult(request, ws=W))
    np.savez(tmp_path / "saved.npz", **arrays)
    with np.load(tmp_path / "saved.npz", allow_pickle=False) as parts:
        assert np.array_equal(parts["w"], W[:1]) and parts["seed"] == 207 and parts["psi"] == 0.5
        assert parts["network"] == "net.pkl" and parts["content"] == "ab12" and parts["classes"].shape == (2, 2)
    assert read_samples(tmp_path / "saved.npz", INFO).kind == "w"
    between = arrays_of(RenderResult(replace(request, latent=replace(latent, x=0.5)), ws=W))
    assert "seed" not in between and (between["x"], between["y"]) == (0.5, 2)
    given = arrays_of(RenderResult(replace(request, latent=replace(latent, z=Array.of(Z))), ws=W))
    assert np.array_equal(given["z"], Z[:1]) and "seed" not in given


def test_latents_on_other_networks():
    request = RenderRequest(latent=Latent(classes=((2, 1.0),)), seeds=SeedGrid((1, 2)))
    assert misfit(Latent(w=Array.of(W)), INFO) == misfit(Latent(z=Array.of(Z)), INFO) == misfit(Latent(), INFO) == ""
    assert misfit(Latent(w=Array.of(W[:, :3])), INFO) == "Its w is 3 × 6, this network takes 4 × 6"
    assert "5" in misfit(Latent(z=Array.of(Z[:, :4])), INFO)
    after = showing(request, Latent(x=4.0, classes=((1, 0.5), (9, 0.5))), INFO)
    assert after.latent.classes == ((1, 0.5),) and after.latent.x == 4 and after.seeds is None
    assert showing(request, Latent(), INFO).latent.classes == ((2, 1.0),)
    assert showing(request, Latent(classes=((1, 1.0),)), replace(INFO, c_dim=0)).latent.classes == ()


# -- classes ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name, text, expected", [
    ("a.txt", "cat\n\n  wild   dog \n", {0: "cat", 2: "wild dog"}),
    ("b.txt", "\ufeffchat\nchien\r\n", {0: "chat", 1: "chien"}),
    ("c.json", '["cat", "dog"]', {0: "cat", 1: "dog"}),
    ("d.json", '{"3": "猫", "0": ["n01", "犬"]}', {3: "猫", 0: "犬"})])
def test_reads_class_names(tmp_path, name, text, expected):
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert classes.read_names(tmp_path / name) == expected


@pytest.mark.parametrize("name, data", [("a.txt", b"\xff\xfe\x00"), ("b.json", b"{"), ("c.json", b'{"cat": "0"}'),
                                        ("d.json", b"3"), ("e.json", b"[" * 99999)])
def test_refuses_other_class_names(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError) as error:
        classes.read_names(tmp_path / name)
    assert str(error.value).startswith(f"{tmp_path / name}: ") and "one name a line" in str(error.value)


def test_names_are_found_beside_and_remembered(tmp_path, jobs):
    net = tmp_path / "nét.v2.pkl"
    (tmp_path / "classes.txt").write_text("a\nb\n")
    assert classes.beside(str(net)).name == "classes.txt" and classes.beside("demo:stylegan2") is None
    (tmp_path / "nét.v2.classes.json").write_text('["x", "y"]')
    names = classes.ClassNames(jobs, tmp_path / "kept" / "classes.json")
    assert names.of(str(net)) == {}
    done(jobs)
    assert names.of(str(net)) == {0: "x", 1: "y"}
    (tmp_path / "mine.txt").write_text("eins\nzwei\n")
    names.load(str(net), str(tmp_path / "mine.txt"), 3)
    assert done(jobs) == "2 of 3 classes have names from mine.txt" and names.of(str(net)) == {0: "eins", 1: "zwei"}
    again = classes.ClassNames(jobs, tmp_path / "kept" / "classes.json")
    again.of(str(net))
    done(jobs)
    assert again.of(str(net)) == {0: "eins", 1: "zwei"}
    (tmp_path / "other.json").write_text('{"900": "far"}')
    names.load(str(net), str(tmp_path / "other.json"), 3)
    assert "names none of this network's classes 0 to 2" in done(jobs) and names.of(str(net)) == {0: "eins", 1: "zwei"}


def test_classes_are_found_by_index_and_name():
    names = {0: "Tabby cat", 12: "Dog", 1: "Straße"}
    assert classes.matching("", names, 3) == [0, 1, 2]
    assert classes.matching("CAT", names, 20) == [0] and classes.matching("strasse", names, 20) == [1]
    assert classes.matching(" 1", names, 20) == [1, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]
    assert classes.matching("12", names, 20) == [12] and classes.matching("horse", names, 20) == []
    assert classes.shown(12, names) == "12  Dog" and classes.shown(3, names) == "3"


def test_weights_add_up_to_one():
    def total(mixed):
        return math.fsum(weight for _, weight in mixed)
    one = ((4, 1.0),)
    two = classes.added(one, 10)
    assert two == ((4, 0.5), (0, 0.5))
    three = classes.added(two, 10)
    assert [index for index, _ in three] == [4, 0, 1] and total(three) == pytest.approx(1)
    moved = classes.weighted(three, 0, 0.8)
    assert moved[0] == (4, 0.8) and moved[1][1] == pytest.approx(0.1) and total(moved) == pytest.approx(1)
    alone = classes.weighted(moved, 0, 1.0)
    assert classes.weighted(alone, 0, 0.4)[1][1] == pytest.approx(0.3)          # nothing to go by: in equal parts
    assert classes.removed(moved, 0) == ((0, pytest.approx(0.5)), (1, pytest.approx(0.5)))
    assert classes.removed(alone, 0) == ((0, 0.5), (1, 0.5))
    assert classes.picked(two, 1, 7) == ((4, 0.5), (7, 0.5)) and classes.removed(two, 1) == one


# -- the plane --------------------------------------------------------------------------------------------------------

def test_travel_along_x_keeps_its_speed():
    line = travel.Travel(speed=2.0)
    assert line.advanced(3.0, 1.0, 0.1) == (pytest.approx(3.2), 1.0)
    assert line.advanced(3.0, 1.0, 60.0)[0] == pytest.approx(3.0 + 2.0 * travel.MAX_STEP)


def test_travelling_leaves_the_grid_and_lets_a_saved_latent_rest():
    panel = LatentPanel(*[None] * 5)
    panel.playing = True
    moved = panel.advance(RenderRequest(latent=Latent(2.0), seeds=SeedGrid((1, 2))), 0.1)
    assert moved.latent.x == pytest.approx(2.1) and moved.seeds is None and panel.playing
    saved = RenderRequest(latent=Latent(w=Array.of(W)))
    assert panel.advance(saved, 0.1) == saved and not panel.playing


@pytest.mark.parametrize("start", [(0.0, 0.0), (5.0, 3.0), (0.3, 7.2)])
def test_travel_in_a_circle_closes_and_never_jumps(start):
    loop = travel.Travel(path=travel.CIRCLE, speed=1.0, radius=1.5)
    points, step = [start], 1 / 60
    for _ in range(60 * 30):
        points.append(loop.advanced(*points[-1], step))
    moved = np.linalg.norm(np.diff(points, axis=0), axis=1)
    assert moved.max() <= step * (1 + 1e-9) and np.min(points) >= 0
    on = np.array(points[-60 * 12:]) - loop.center                   # a round takes 2 π 1.5 s
    assert np.allclose(np.hypot(*on.T), 1.5) and np.ptp(on, axis=0) == pytest.approx((3, 3), abs=0.01)


def test_grid_of_seeds_turns_and_follows():
    grid = seedgrid.grid_from(5, 3, 2)
    assert grid == SeedGrid((5, 6, 7, 8, 9, 10), 3) and seedgrid.cells_of(grid) == (3, 2)
    assert seedgrid.cells_of(SeedGrid((1, 2, 3, 4, 5))) == (3, 2)
    request = RenderRequest(latent=Latent(x=5.0), seeds=grid)
    after = seedgrid.turned(request, 1)
    assert after.seeds.seeds == tuple(range(11, 17)) and seed_of(after.latent) == 11
    assert seedgrid.turned(request, -1).seeds.seeds[0] == 0
    assert seedgrid.grid_from(MAX_SEED, 2, 2).seeds[-1] == MAX_SEED
    assert seedgrid.resized(request, 2, 2).seeds == SeedGrid((5, 6, 7, 8), 2)
    inside, outside = (replace(request, latent=Latent(x=x)) for x in (8.0, 50.0))
    assert seedgrid.followed(request, inside) == inside
    assert seedgrid.followed(request, outside).seeds.seeds[0] == 50
    opened = replace(outside, seeds=SeedGrid((3, 9)))                # a state that came with its grid
    assert seedgrid.followed(request, opened) == opened and seedgrid.turned(RenderRequest(), 1) == RenderRequest()


# -- visits and favourites --------------------------------------------------------------------------------------------

def shown(x: float, **parts) -> RenderResult:
    request = replace(RenderRequest(Checkpoint("net.pkl"), Latent(x=x)), **parts)
    return RenderResult(request, picture=np.full((200, 100, 3), int(x), np.uint8))


def test_visits_are_what_a_person_rests_on(jobs):
    visits, now = Visits(jobs), 0.0

    def rest(result, seconds, moving=False):
        nonlocal now
        for _ in range(2):
            visits.see(result, moving, now)
            now += seconds
        visits.see(result, moving, now)
        done(jobs)
        return [visit.latent.x for visit in visits.entries]
    assert rest(shown(1), 0.1 * REST) == []                          # passed by
    assert rest(shown(2), REST) == [2] and rest(shown(2), REST) == [2]
    assert rest(shown(3), REST, moving=True) == [2]
    assert rest(shown(3), REST) == [2, 3]
    assert rest(shown(4, seeds=SeedGrid((1,))), REST) == [2, 3] and rest(shown(5, tap="b4.act"), REST) == [2, 3]
    assert rest(shown(6), REST) == [2, 3, 6]
    assert visits.go_back(visits.entries[0]).x == 2
    assert rest(shown(2), REST) == [2, 3, 6]                         # gone back to: it keeps its place
    assert rest(shown(7), REST) == [2, 3, 6, 7] and rest(shown(3), REST) == [2, 6, 7, 3]
    assert visits.entries[0].picture.shape == (64, 32, 3) and (visits.entries[0].picture == 2).all()
    for x in range(100, 100 + LIMIT + 5):
        visits.see(shown(x), False, now)
        visits.see(shown(x), False, now := now + REST)
    done(jobs)
    assert len(visits.entries) == LIMIT and visits.entries[-1].latent.x == 104 + LIMIT


def test_thumbnails_are_means_of_areas():
    picture = np.zeros((8, 16, 3), np.uint8)
    picture[::2] = 200
    small = thumbnail(picture, 4)
    assert small.shape == (2, 4, 3) and (small == 100).all() and thumbnail(picture, 64).shape == picture.shape


def test_words_for_a_latent():
    assert described(Latent(x=7.0, y=2.0)) == "Seed 207" and described(Latent(w=Array.of(W))) == "A saved w"
    assert described(Latent(x=0.5, psi=0.7)) == "Between seeds, x 0.50, y 0.00, ψ 0.70"
    assert described(Latent(classes=((3, 1.0),))) == "Seed 0, class 3"
    assert described(Latent(classes=((3, 0.5), (1, 0.5)))) == "Seed 0, classes 0.50 of 3 + 0.50 of 1"


def test_favourites_live_in_files(tmp_path, jobs):
    folder = tmp_path / "kept"
    store = Favourites(jobs, jobs.messages, folder)
    store.keep(shown(3))
    assert done(jobs) == "Kept among the favourites as seed 3 net" and [f.name for f in store.entries] == ["seed 3 net"]
    assert load_request(store.entries[0].path).latent == shown(3).request.latent
    store.keep(shown(3))
    assert done(jobs) == "Among the favourites already: seed 3 net" and len(list(folder.iterdir())) == 1
    store.rename(store.entries[0], " a/b: 顔 ü ")
    done(jobs)
    assert [path.name for path in folder.iterdir()] == ["a-b- 顔 ü.png"] and store.entries[0].name == "a-b- 顔 ü"
    store.keep(shown(4))
    done(jobs)
    again = Favourites(jobs, jobs.messages, folder)
    done(jobs)
    assert [f.request.latent.x for f in again.entries] == [4, 3] and again.entries[0].picture.shape == (96, 48, 3)
    again.delete(again.entries[1])
    done(jobs)
    assert [f.name for f in again.entries] == ["seed 4 net"] and len(list(folder.glob("[!.]*"))) == 1
    again.bring_back()
    done(jobs)
    assert [f.name for f in again.entries] == ["seed 4 net", "a-b- 顔 ü"] and again.deleted is None
    again.delete(again.entries[0])
    again.close()
    done(jobs)
    assert [path.name for path in folder.iterdir()] == ["a-b- 顔 ü.png"]


def test_damaged_favourites_are_left_out(tmp_path, jobs):
    save_png(tmp_path / "good.png", np.zeros((4, 4, 3), np.uint8), RenderRequest())
    save_png(tmp_path / "stateless.png", np.zeros((4, 4, 3), np.uint8))
    (tmp_path / "cut.png").write_bytes((tmp_path / "good.png").read_bytes()[:60])
    store = Favourites(jobs, jobs.messages, tmp_path)
    done(jobs)
    said = " ".join(message.text for message in jobs.messages.all())
    assert [f.name for f in store.entries] == ["good"] and "cut.png" in said and "stateless.png" in said


def test_favourites_as_sources(tmp_path, jobs):
    w = Array.of(W[:1])
    for name, latent in (("a seed", Latent(x=3.0, y=1.0)), ("a w", Latent(w=w)), ("between", Latent(x=0.5)),
                         ("another w", Latent(w=Array.of(W[:, :3]))), ("a z", Latent(z=Array.of(Z)))):
        save_png(tmp_path / f"{name}.png", np.zeros((4, 4, 3), np.uint8), RenderRequest(latent=latent))
    store = Favourites(jobs, jobs.messages, tmp_path)
    done(jobs)
    assert store.saved(None) == ()
    found = store.saved(INFO)
    assert set(found) == {Source(103, name="a seed"), Source(w=Array.of(W[0]), name="a w")}
    assert store.saved(INFO) is found


@pytest.mark.parametrize("kept", [RenderRequest(latent=Latent(x=0.5)), RenderRequest(latent=Latent(z=Array.of(Z))),
                                  RenderRequest(mix=Mix(rows=(0,)))], ids=["between", "z", "mixed"])
def test_what_no_seed_gives_is_kept_as_w(tmp_path, jobs, kept):
    store = Favourites(jobs, jobs.messages, tmp_path)
    store.keep(RenderResult(kept, picture=np.zeros((4, 4, 3), np.uint8), ws=W))
    done(jobs)
    again = Favourites(jobs, jobs.messages, tmp_path)
    done(jobs)
    for one in (store, again):
        source, = one.saved(INFO)
        assert source == Source(w=Array.of(W[0]), name=one.entries[0].name)
    assert load_request(again.entries[0].path).latent == kept.latent         # and it is restored as it was


@pytest.mark.parametrize("name, expected", [("plain", "plain"), ("  ", ""), ("..", ""), ("a\x00b\n", "a-b-"),
                                            ("顔" * 200, "顔" * 66), ("x" * 99, "x" * favourites.MAX_NAME)])
def test_names_fit_files(name, expected):
    assert favourites.file_name(name) == expected


def test_remembered_names_survive_damage(tmp_path, jobs):
    memory = tmp_path / "classes.json"
    memory.write_text("[1")
    (tmp_path / "n.txt").write_text("one\n")
    names = classes.ClassNames(jobs, memory)
    names.load("net.pkl", str(tmp_path / "n.txt"), 2)
    done(jobs)
    assert json.loads(memory.read_text()) == {"net.pkl": str(tmp_path / "n.txt")}
