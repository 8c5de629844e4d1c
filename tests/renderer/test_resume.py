"""Resuming runs the stages from the first difference on, and equals a full run bit for bit."""
import numpy as np
import pytest
import torch
from tiny_networks import TINY, counted, tiny

from nets.stages import Inputs, Stage, State, Tap, all_taps, draw_noise, ignore, synthesize
from renderer.resume import Resume, equal

PLENTY = 1 << 30
NOISES = ["const", "random", "none"]


class Walker:
    """A tiny network under Resume, with a count of what runs and a full run to compare with."""

    def __init__(self, name: str, budget: int = PLENTY):
        self.network, self.ran = tiny(name), []
        self.plain = self.network.synthesis.stages()
        self.stages = counted(self.plain, self.ran)
        self.names = [stage.name for stage in self.stages]
        self.resume, self.tap, self.transform = Resume(budget), "image", None
        self.ws = torch.randn(1, self.network.num_ws, self.network.w_dim, generator=torch.Generator().manual_seed(0))
        self.draw("const")

    def draw(self, mode: str, seed: int = 0) -> None:
        self.noise = draw_noise(self.stages, mode, len(self.ws), torch.Generator().manual_seed(seed))

    def inputs(self) -> list[Inputs]:
        return [stage.inputs(self.ws, self.noise, self.transform) for stage in self.stages]

    def observe(self) -> list[str]:
        """Looks at the tap, checks it against a full run, and returns the names of the stages that ran."""
        self.ran.clear()
        value, times = self.resume.observe(self.stages, self.inputs(), self.tap)
        assert torch.equal(value, self.full_run()), self.tap
        assert [t.name for t in times if not t.reused] == self.ran
        assert [t.name for t in times] == self.names[:len(times)] and all(t.seconds > 0 for t in times)
        return list(self.ran)

    def full_run(self) -> torch.Tensor:
        if self.tap == "image":
            return synthesize(self.plain, self.ws, self.noise, self.transform)
        state, seen = State(), {}
        for stage, given in zip(self.plain, self.inputs()):
            is_last = any(tap.name == self.tap for tap in stage.taps)    # a watched stage may show what else is skipped
            state = stage.run(state, given, seen.__setitem__ if is_last else ignore)
            if is_last:
                return seen[self.tap]
        raise KeyError(self.tap)

    def names_from(self, first: str) -> list[str]:
        return self.names[self.names.index(first):]

    def first_reader(self, row: int) -> str:
        return next(stage.name for stage in self.stages if stage.w_row == row)


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.inference_mode():
        yield


# -- what runs again --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize("noise", NOISES)
def test_a_new_row_of_w_runs_its_stage_and_those_after(name, noise):
    walker = Walker(name)
    walker.draw(noise)
    assert walker.observe() == walker.names
    for row in reversed(range(walker.network.num_ws)):
        if row not in {stage.w_row for stage in walker.stages}:          # cut off by the level of detail
            continue
        walker.ws = walker.ws.clone()
        walker.ws[:, row] += 0.5
        assert walker.observe() == walker.names_from(walker.first_reader(row)), f"row {row}"


@pytest.mark.parametrize("name", TINY)
def test_the_same_again_runs_the_tap_alone(name):
    walker = Walker(name)
    walker.observe()
    walker.ws = walker.ws.clone()                                        # equal by value
    walker.draw("const")
    assert walker.observe() == ["image"]


@pytest.mark.parametrize("name", [name for name in TINY if not name.startswith("sg3")])
def test_other_noise_runs_from_the_first_stage_that_takes_any(name):
    walker = Walker(name)
    walker.observe()
    first = next((stage.name for stage in walker.stages if stage.noise_const is not None), "image")
    for mode, seed in (("random", 1), ("random", 2), ("none", 0), ("const", 0)):
        walker.draw(mode, seed)
        assert walker.observe() == walker.names_from(first)
        walker.draw(mode, seed)
        assert walker.observe() == ["image"]


@pytest.mark.parametrize("name", ["sg3-t", "sg3-r"])
def test_a_transform_runs_everything_and_its_equal_nothing(name):
    walker = Walker(name)
    walker.observe()
    walker.transform = torch.tensor([[0.8, -0.6, 0.1], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])
    assert walker.observe() == walker.names
    walker.transform = walker.transform.clone()
    assert walker.observe() == ["image"]


@pytest.mark.parametrize("name", TINY)
def test_more_samples_run_everything(name):
    walker = Walker(name)
    walker.observe()
    walker.ws = torch.cat([walker.ws, -walker.ws])
    walker.draw("random")
    assert walker.observe() == walker.names


# -- taps -------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", TINY)
def test_every_tap_forwards_then_backwards(name):
    """Forwards a later tap goes on from the last state held; backwards only the tap's own stage runs."""
    walker = Walker(name)
    taps = all_taps(walker.stages)
    owner = {tap.name: stage.name for stage in walker.stages for tap in stage.taps}
    done = 0                                                             # stages run without being watched
    for tap in taps:
        walker.tap, last = tap.name, walker.names.index(owner[tap.name])
        assert walker.observe() == walker.names[done:last + 1], tap.name
        done = last
    for tap in reversed(taps):
        walker.tap = tap.name
        assert walker.observe() == [owner[tap.name]], tap.name


def test_states_come_from_unwatched_runs():
    """A watched stage may run step by step, with other rounding: here it is off by one, which must not travel on."""
    def stage(i: int) -> Stage:
        def run(state: State, inputs: Inputs, watch) -> State:
            x = (torch.zeros(1, 1, 1, 1) if state.x is None else state.x) + (1 if watch is ignore else 2)
            watch(f"s{i}", x)
            return State(x)
        return Stage(f"s{i}", run, (Tap(f"s{i}", (1, 1, 1)),))
    stages, resume = [stage(i) for i in range(5)], Resume(PLENTY)
    for i in (1, 4, 0, 2, 3, 4):
        assert resume.observe(stages, [Inputs()] * 5, f"s{i}").value == i + 2


def test_a_difference_past_the_tap_keeps_what_is_before_it():
    walker = Walker("sg2-skip")
    walker.observe()
    walker.ws = walker.ws.clone()
    walker.ws[:, -1] += 1
    walker.tap = "b8.conv1.act"
    assert walker.observe() == ["b8.conv1"]
    walker.tap = "image"                                                 # the other w is found out now
    assert walker.observe() == walker.names_from("b32.torgb")


def test_random_changes_of_everything():
    """A long drag through all controls: every value equals the full run's, whatever was looked at before."""
    rng = np.random.RandomState(0)
    for name in TINY:
        walker = Walker(name, budget=rng.randint(1, 200_000))
        taps = [tap.name for tap in all_taps(walker.stages)]
        for _ in range(30):
            kind = rng.randint(4)
            if kind == 0:
                walker.ws = walker.ws.clone()
                walker.ws[:, rng.randint(walker.network.num_ws)] += rng.randn()
            elif kind == 1:
                walker.draw(NOISES[rng.randint(3)], rng.randint(3))
            elif kind == 2:
                walker.tap = taps[rng.randint(len(taps))]
            elif name.startswith("sg3"):
                walker.transform = torch.eye(3) + 0.1 * rng.randint(2)
            walker.observe()


# -- abandoning -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", ["sg1", "sg2-resnet", "sg3-t"])
def test_what_ran_before_an_abandonment_is_kept(name):
    class Stop(BaseException):
        pass

    walker = Walker(name)
    stop_at = walker.names[len(walker.names) // 2]
    told = []

    def before(stage: str, fraction: float) -> None:
        told.append(fraction)
        if stage == stop_at:
            raise Stop
    with pytest.raises(Stop):
        walker.resume.observe(walker.stages, walker.inputs(), "image", before)
    assert walker.ran == walker.names[:walker.names.index(stop_at)]
    assert told == sorted(told) and told[0] == 0 and told[-1] < 1
    assert walker.observe() == walker.names_from(stop_at)


def test_a_failing_stage_leaves_no_false_state():
    walker = Walker("sg2-skip")
    walker.observe()
    broken = walker.names.index("b16.conv0")
    stages = list(walker.stages)
    stages[broken] = Stage("b16.conv0", lambda *_: 1 / 0, stages[broken].taps, stages[broken].w_row)
    walker.ws = -walker.ws
    with pytest.raises(ZeroDivisionError):
        walker.resume.observe(stages, walker.inputs(), "image")
    assert walker.observe() == walker.names_from("b16.conv0")
    walker.ws = -walker.ws
    assert walker.observe() == walker.names


# -- memory -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", ["sg1", "sg2-skip", "sg2-resnet", "sg3-t"])
@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9])
def test_the_budget_holds_after_every_stage(name, share):
    whole = Walker(name)
    whole.observe()
    walker = Walker(name, int(share * whole.resume.bytes))
    held = []
    walker.resume.observe(walker.stages, walker.inputs(), "image", lambda *_: held.append(walker.resume.bytes))
    assert max(held) <= walker.resume.budget and walker.resume.bytes <= walker.resume.budget
    again = walker.observe()                                             # and still resumes from what is left
    assert again[-1] == "image" and (again == walker.names) == (walker.resume.bytes == 0)
    if share >= 0.1:
        assert len(again) < len(walker.names)


def tensor_stages(*sizes: int, shared: bool = False) -> list[Stage]:
    """Stages whose states hold so many floats; with `shared` each also hands on the first one's tensor."""
    def stage(i: int, size: int) -> Stage:
        def run(state: State, inputs: Inputs, watch) -> State:
            x = torch.full((1, 1, 1, size), float(i))
            watch(f"s{i}", x)
            return State(x, (state.image if state.image is not None else x) if shared else None)
        return Stage(f"s{i}", run, (Tap(f"s{i}", (1, 1, size)),))
    return [stage(i, size) for i, size in enumerate(sizes)]


def held(resume: Resume) -> list[int]:
    return sorted(resume._states)


def test_the_largest_states_go_first_of_equals_the_earlier():
    stages = tensor_stages(10, 40, 20, 40, 30, 1)
    inputs = [Inputs()] * len(stages)
    for budget, kept in ((140, [0, 1, 2, 3, 4]), (139, [0, 2, 3, 4]), (60, [0, 2, 4]), (59, [0, 2]), (29, [0]),
                         (9, [])):
        resume = Resume(4 * budget)
        resume.observe(stages, inputs, "s5")
        assert held(resume) == kept, budget
        assert resume.bytes == 4 * sum((10, 40, 20, 40, 30)[i] for i in kept)


def test_shared_tensors_count_once():
    stages = tensor_stages(100, 1, 1, 1, shared=True)
    resume = Resume(PLENTY)
    resume.observe(stages, [Inputs()] * 4, "s3")
    assert resume.bytes == 4 * 102


def test_clear_forgets():
    walker = Walker("sg2-skip")
    walker.observe()
    walker.resume.clear()
    assert walker.resume.bytes == 0 and walker.observe() == walker.names


# -- equality ---------------------------------------------------------------------------------------------------------

def test_inputs_are_equal_by_value():
    w = torch.ones(1, 4)
    assert equal(Inputs(w), Inputs(w.clone())) and equal(Inputs(), Inputs())
    assert not equal(Inputs(w), Inputs(w + 1))
    assert not equal(Inputs(w), Inputs()) and not equal(Inputs(), Inputs(noise=w))
    assert not equal(Inputs(w), Inputs(w.double())) and not equal(Inputs(w), Inputs(torch.ones(2, 4)))
    assert not equal(Inputs(w), Inputs(w, update_ema=True))
    assert not equal(Inputs(w * torch.nan), Inputs(w * torch.nan))       # runs again, which is right
