"""How estimates draw: colours that mean values, images as the viewer shows them."""
import numpy as np
import torch

from renderer.colormaps import BAD, colours
from renderer.inspections.pictures import heat, levels, picture
from renderer.report import Scale
from renderer.types import View
from renderer.view import picture as viewed


def test_colours_run_evenly_over_the_scale():
    table = colours("magma")
    values = np.linspace(-10, 30, 256).reshape(16, 16)
    np.testing.assert_array_equal(heat(values, Scale("magma", -10, 30, "")).reshape(256, 3), table)
    beyond = np.array([[-99.0, 99.0, np.inf, -np.inf, np.nan]])
    kept = beyond.copy()
    shown = heat(beyond, Scale("magma", -10, 30, ""))
    np.testing.assert_array_equal(shown[0], [table[0], table[255], table[255], table[0], BAD])
    np.testing.assert_array_equal(beyond, kept)
    assert shown.dtype == np.uint8 and not shown.flags.writeable


def test_a_scale_of_one_value_shows_its_first_colour():
    assert (heat(np.full((2, 3), 7.0), Scale("viridis", 7.0, 7.0, "")) == colours("viridis")[0]).all()


def test_levels_are_the_picture_before_it_is_rounded():
    for channels in (1, 3):
        image = torch.randn(2, channels, 8, 6, generator=torch.Generator().manual_seed(0))
        rounded = levels(image).round().byte().permute(1, 2, 0).numpy()
        np.testing.assert_array_equal(np.broadcast_to(rounded, (8, 6, 3)), picture(image))
        np.testing.assert_array_equal(picture(image), viewed(image[0], View()))
        exact = (image[0].double() * 127.5 + 127.5).clamp(0, 255)
        torch.testing.assert_close(levels(image).double(), exact.expand(levels(image).shape), rtol=0, atol=255e-6)
