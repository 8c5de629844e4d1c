"""One picture in every mode and state of damage; the geometry and resampling of the transforms."""
from __future__ import annotations

import io

import numpy as np
import pytest
from picture_files import LEVELS, encoded, jpeg, opened, pixels, png
from PIL import Image

from train.convert.pictures import convert, look
from train.convert.source import Skip
from train.convert.transforms import Frame, resize


def done(content, mode="RGB", frame=None):
    return convert(io.BytesIO(content) if isinstance(content, bytes) else content, mode, frame)


@pytest.mark.parametrize("content, suffix", [(jpeg(), ".jpg"), (png(), ".png")], ids=["jpeg", "png"])
def test_what_is_good_stays_byte_for_byte(content, suffix):
    assert done(content) == (content, suffix, ())
    assert done(content, frame=Frame(16, 16)) == (content, suffix, ())


def test_grey_stays_grey_or_becomes_rgb():
    grey = jpeg(mode="L")
    assert done(grey, "L") == (grey, ".jpg", ())
    made = done(grey)
    assert made.changes == ("grey made RGB",)
    assert (pixels(made.content) == pixels(grey)[:, :, None]).all() and pixels(made.content).shape == (16, 16, 3)


def test_cmyk_becomes_rgb():
    cmyk = jpeg(mode="CMYK")
    made = done(cmyk)
    assert made.suffix == ".png" and made.changes == ("CMYK made RGB",)
    assert np.abs(pixels(made.content).astype(int) - pixels(jpeg())).mean() < 8          # JPEG's own error, on 4 planes


def test_16_bits_are_rounded_to_8():
    deep = np.arange(256, dtype=np.uint16).reshape(16, 16) * 257
    deep[0, :2] = 128, 129                               # 0.498 and 0.502 of a level
    made = done(encoded(deep), "L")
    expected = np.arange(256).reshape(16, 16)
    expected[0, :2] = 0, 1
    assert made.changes == ("16 bits a channel reduced to 8",) and (pixels(made.content) == expected).all()
    assert look(io.BytesIO(encoded(deep))).obstacle == "of more than 8 bits a channel"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns(orientation):
    """By the eight cases of EXIF's Orientation tag: where its row 0 and column 0 are in the upright picture."""
    wide = Image.fromarray(LEVELS).crop((0, 0, 16, 8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(wide, "JPEG", quality=95, exif=exif)
    stored = pixels(content)
    upright = {1: stored, 2: stored[:, ::-1], 3: stored[::-1, ::-1], 4: stored[::-1], 5: stored.swapaxes(0, 1),
               6: stored.swapaxes(0, 1)[:, ::-1], 7: stored.swapaxes(0, 1)[::-1, ::-1],
               8: stored.swapaxes(0, 1)[::-1]}[orientation]
    made = done(content)
    assert (pixels(made.content) == upright).all()
    assert made.changes == (() if orientation == 1 else ("turned as its EXIF says",))
    assert look(io.BytesIO(content)).size == upright.shape[1::-1]
    assert orientation == 1 or not opened(made.content).getexif()


def test_transparency_is_put_on_black():
    rgba = np.dstack([LEVELS, np.full((16, 16), 128, np.uint8)])
    made = done(encoded(rgba))
    assert made.changes == ("transparency put on black",)
    assert np.abs(pixels(made.content) - LEVELS * (128 / 255)).max() <= 1
    opaque = done(encoded(np.dstack([LEVELS, np.full((16, 16), 255, np.uint8)])))
    assert opaque.changes == ("opaque alpha channel dropped",) and (pixels(opaque.content) == LEVELS).all()
    assert done(encoded(rgba), "RGBA") == (encoded(rgba), ".png", ())


def test_a_palette_with_transparency():
    image = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16) % 3, "L").convert("P")
    image = Image.new("P", (16, 16))
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.paste(1, (0, 0, 8, 16))
    made = done(encoded(image, transparency=1))
    assert made.changes == ("transparency put on black",)
    assert (pixels(made.content)[:, :8] == 0).all() and (pixels(made.content)[:, 8:] == (255, 0, 0)).all()
    plain = done(encoded(image))
    assert plain.changes == ("P made RGB",) and (pixels(plain.content)[:, :8] == (0, 255, 0)).all()


def test_grey_with_alpha_stays_grey():
    content = encoded(LEVELS[:, :, :2])
    assert not look(io.BytesIO(content)).is_colour
    assert np.abs(pixels(done(content, "L").content) - LEVELS[:, :, 0] * (LEVELS[:, :, 1] / 255)).max() <= 1


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_frame(format):
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "lime", "blue")]
    lossless = {"lossless": True} if format == "WEBP" else {}
    made = done(encoded(frames[0], format, save_all=True, append_images=frames[1:], **lossless))
    assert "first of several frames" in made.changes and (pixels(made.content) == (255, 0, 0)).all()


@pytest.mark.parametrize("format", ["BMP", "TIFF", "PPM", "TGA", "WEBP", "JPEG2000", "GIF"])
def test_other_formats_become_png(format):
    made = done(encoded(LEVELS, format, **({"lossless": True} if format == "WEBP" else {})))
    assert made.suffix == ".png" and made.content.startswith(b"\x89PNG")
    assert (pixels(made.content) == LEVELS).all()        # 256 colours fit in a GIF


def test_what_phones_make_is_a_jpeg():
    """MPO: a second picture behind the first, which every reader of JPEG passes over."""
    image = opened(jpeg(64))
    phone = encoded(image, "MPO", save_all=True, append_images=[image])
    assert opened(phone).format == "MPO" and done(phone) == (phone, ".jpg", ())


def test_a_profile_is_ignored():
    assert (pixels(done(encoded(LEVELS, "TIFF", icc_profile=b"none")).content) == LEVELS).all()


@pytest.mark.parametrize("content, reason", [
    (b"", "damaged, or no picture"), (b"not a picture", "damaged, or no picture"),
    (jpeg(64)[:500], "truncated"), (png(64)[:3000], "truncated"),
    (png()[:40] + b"xxxx" + png()[44:], "damaged, or no picture"),
    (encoded(np.zeros((4, 4), np.float32), "TIFF"), "floating-point pixels"),
    (encoded(np.full((4, 4), 1 << 20, np.int32), "TIFF"), "more than 16 bits a channel"),
], ids=["empty", "text", "jpeg-cut", "png-cut", "png-bits", "float", "int32"])
def test_what_cannot_be_used_says_why(content, reason):
    with pytest.raises(Skip) as raised:
        done(content)
    assert str(raised.value) == reason


def test_a_decompression_bomb_is_not_decoded():
    """Of the right checksum: its header alone claims 10^9 pixels."""
    import struct
    import zlib
    header = b"IHDR" + struct.pack(">IIBBBBB", 32000, 32000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header)) + png()[33:]
    for act in (lambda: look(io.BytesIO(bomb)), lambda: done(bomb)):
        with pytest.raises(Skip, match="more than 128 x 2"):
            act()


@pytest.mark.filterwarnings("ignore::UserWarning")      # Pillow's, of what is damaged
@pytest.mark.parametrize("seed", range(20))
def test_damage_anywhere_is_a_skip_or_a_picture(seed):
    random = np.random.default_rng(seed)
    for content in (png(seed=seed), jpeg(seed=seed), encoded(LEVELS, "TIFF"), encoded(LEVELS, "GIF")):
        damaged = bytearray(content)
        for at in random.integers(0, len(damaged), 5):
            damaged[at] = random.integers(256)
        for act in (lambda c=damaged: look(io.BytesIO(bytes(c))), lambda c=damaged: done(bytes(c))):
            try:
                act()
            except Skip as skip:
                assert str(skip)


# -- transforms -------------------------------------------------------------------------------------------------------

def area_means(picture: np.ndarray, count: int) -> np.ndarray:
    """Along the first axis, by magnifying `count` times without change and taking means of what becomes one."""
    parts = np.repeat(picture.astype(np.float64), count, axis=0)
    return parts.reshape(count, len(picture), *picture.shape[1:]).mean(1)


@pytest.mark.parametrize("size", [(8, 8), (4, 2), (7, 5), (15, 16), (16, 3), (1, 1)])
@pytest.mark.parametrize("grey", [False, True])
def test_shrinking_takes_the_mean_of_the_area(size, grey):
    picture = LEVELS[:, :, 0] if grey else LEVELS
    expected = area_means(area_means(picture, size[1]).swapaxes(0, 1), size[0]).swapaxes(0, 1)
    found = np.asarray(resize(Image.fromarray(picture), size))
    assert np.abs(found - expected).max() <= 0.5 + 1e-3  # rounded; float32 sums of 256 levels


def test_growing_is_lanczos():
    image = Image.fromarray(LEVELS)
    assert (np.asarray(resize(image, (24, 40))) == np.asarray(image.resize((24, 40), Image.Resampling.LANCZOS))).all()


def test_centre_crop():
    wide = np.zeros((8, 32, 3), np.uint8)
    wide[:, 12:20] = 200
    assert (np.asarray(Frame(8, 8).fit(Image.fromarray(wide))) == 200).all()
    assert (np.asarray(Frame(4, 4).fit(Image.fromarray(wide.swapaxes(0, 1)))) == 200).all()


def test_wide_crop_is_a_square_with_black_above_and_below():
    found = np.asarray(Frame(32, 24, "center-crop-wide").fit(Image.fromarray(np.full((50, 50, 3), 200, np.uint8))))
    assert found.shape == (32, 32, 3) and (found[4:28] == 200).all()
    assert not found[:4].any() and not found[28:].any()


def test_padding_shrinks_and_never_magnifies():
    digit = np.asarray(Frame(32, 32, "pad").fit(Image.fromarray(np.full((28, 28), 200, np.uint8))))
    expected = np.pad(np.full((28, 28), 200), 2)
    assert (digit == expected).all()
    tall = np.asarray(Frame(32, 32, "pad").fit(Image.fromarray(np.full((64, 32, 3), 200, np.uint8))))
    assert (tall[:, 8:24] == 200).all() and not tall[:, :8].any() and not tall[:, 24:].any()
    clear = Frame(8, 8, "pad").fit(Image.new("RGBA", (8, 4), (9, 9, 9, 0)))
    assert clear.getpixel((0, 0)) == (0, 0, 0, 255)


def test_magnifying_is_said():
    assert done(png(16), frame=Frame(32, 32)).changes == ("enlarged to 32x32",)
    assert done(png(28), frame=Frame(32, 32, "pad")).changes == ()
