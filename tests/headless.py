"""The command line called in this process."""
import visualizer


def refused(capsys, *argv) -> str:
    """The one line a refusal prints."""
    assert visualizer.main([str(a) for a in argv]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def shape_of(name: str) -> dict:
    from renderer.pipeline import Pipeline
    from renderer.types import Checkpoint
    model = Pipeline().info(Checkpoint(name))
    return {"z_dim": model.z_dim, "c_dim": model.c_dim, "num_ws": model.num_ws, "w_dim": model.w_dim}
