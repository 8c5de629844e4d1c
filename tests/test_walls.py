"""The house's walls: who may import whom (held over the syntax tree, so that lazy imports count too)."""
import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HOUSE = {"visualizer", "gui", "renderer", "nets", "cuda_ops", "train", "tests", "benchmarks"}
MAY_IMPORT = {
    "visualizer": {"gui", "renderer", "nets"},
    "gui": {"renderer"},
    "renderer": {"nets", "cuda_ops"},
    "nets": {"cuda_ops"},
    "cuda_ops": set(),
    "train": {"nets", "cuda_ops", "renderer.measures", "renderer.images", "renderer.datasets",
              "renderer.device"},
}
TORCH_FREE_RENDERER = {f"renderer.{name}" for name in (
    "arrays", "batch", "colormaps", "content", "datasets", "images", "inspect_options", "inspection", "labels", "launching",
    "many", "options", "png", "report", "report_files", "rows", "runs", "runstats", "script", "sets", "state", "thread",
    "typefaces", "types", "words")}


def sources() -> list[Path]:
    return [ROOT / "visualizer.py"] + [p for place in MAY_IMPORT for p in sorted((ROOT / place).rglob("*.py"))]


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path, top_level_only: bool = False) -> set[str]:
    """Absolute names of all modules a file imports; `from renderer import state` counts as renderer.state."""
    module = module_name(path)
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names: set[str] = set()
    for node in (tree.body if top_level_only else ast.walk(tree)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join(base + ([node.module] if node.module else []))
            is_package = (ROOT / base.replace(".", "/") / "__init__.py").exists()
            names |= {f"{base}.{alias.name}" for alias in node.names} if is_package else {base}
    return names


def within(name: str, allowed: set[str]) -> bool:
    return any(name == a or name.startswith(a + ".") for a in allowed)


@pytest.mark.parametrize("path", [p for p in sources() if p.exists()], ids=module_name)
def test_imports_keep_to_the_walls(path):
    place = module_name(path).split(".")[0]
    inside = {n for n in imported(path) if n.split(".")[0] in HOUSE and n.split(".")[0] != place}
    wrong = sorted(n for n in inside if not within(n, MAY_IMPORT[place]))
    assert not wrong, f"{path.relative_to(ROOT)} may not import {wrong}"


@pytest.mark.parametrize("path", sorted((ROOT / "gui").rglob("*.py")), ids=module_name)
def test_the_window_imports_no_torch(path):
    names = imported(path)
    assert not [n for n in names if n.split(".")[0] == "torch"]
    renderer = {n for n in names if n.split(".")[0] == "renderer"}
    assert all(within(n, TORCH_FREE_RENDERER) for n in renderer), renderer


@pytest.mark.parametrize("path", [p for p in sources() if p.exists() and not p.is_relative_to(ROOT / "gui")],
                         ids=module_name)
def test_only_the_window_knows_opengl(path):
    assert not [n for n in imported(path) if n.split(".")[0] in {"imgui_bundle", "glfw", "OpenGL"}]


@pytest.mark.parametrize("module", sorted(TORCH_FREE_RENDERER | {"renderer", "visualizer"}))
def test_importing_stays_light(module):
    """Neither the window nor the command line waits for torch before it can say something."""
    import subprocess
    import sys
    code = f"import sys, {module}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
