"""Colours and measures. Greys are neutral: pictures are judged in front of them. One accent marks what is chosen."""
from __future__ import annotations

from functools import cache

from imgui_bundle import ImVec2, ImVec4, imgui, implot

FONT_SIZE = 15.0                         # pixels at 100 %
COLORS = {
    "dark": {
        "backdrop": 0x2A2A2A,            # behind pictures
        "checker": 0x303030,
        "sunken": 0x161616,              # menu and status bar, gaps between panels
        "panel": 0x222222,
        "raised": 0x2C2C2C,              # tabs, table headers
        "popup": 0x262626,
        "frame": 0x333333,               # of inputs
        "frame_hovered": 0x3E3E3E,
        "frame_active": 0x484848,
        "line": 0x3A3A3A,
        "text": 0xE2E2E2,
        "dim": 0xACACAC,
        "faint": 0x949494,
        "accent": 0x4F9CF9,
        "accent_text": 0x6FB0FF,         # accent as letters
        "accent_low": 0x2B5687,          # accent as a background under text
        "notice": 0x2A3440,              # under questions and offers
        "warning": 0xE5B567,
        "error": 0xF58A84,
        "green": 0x7CCB8A,               # of further curves in a plot, as is violet
        "violet": 0xC4A1F5,
    },
    "light": {
        "backdrop": 0xCFCFCF,
        "checker": 0xC3C3C3,
        "sunken": 0xDADADA,
        "panel": 0xF1F1F1,
        "raised": 0xE5E5E5,
        "popup": 0xF8F8F8,
        "frame": 0xDDDDDD,
        "frame_hovered": 0xD0D0D0,
        "frame_active": 0xC4C4C4,
        "line": 0xC0C0C0,
        "text": 0x1A1A1A,
        "dim": 0x464646,
        "faint": 0x585858,
        "accent": 0x1E6FD0,
        "accent_text": 0x0F56AC,
        "accent_low": 0xA8CBF3,
        "notice": 0xD6E6F8,
        "warning": 0x7A4F00,
        "error": 0xA3160F,
        "green": 0x1F6B33,
        "violet": 0x6B3FA0,
    },
}
TEXTS = ("text", "dim", "faint", "accent_text", "warning", "error")      # colours of letters
GROUNDS = ("backdrop", "sunken", "panel", "raised", "popup")             # what letters of any colour may stand on
MARKED = ("frame", "frame_hovered", "frame_active", "accent_low", "notice")      # what "text" stands on, too
_colors = COLORS["dark"]


@cache
def color(name: str, alpha: float = 1.0) -> ImVec4:
    value = _colors[name]
    return ImVec4((value >> 16) / 255, (value >> 8 & 255) / 255, (value & 255) / 255, alpha)


@cache
def ink(name: str, alpha: float = 1.0) -> int:
    """A colour for draw lists."""
    return imgui.color_convert_float4_to_u32(color(name, alpha))


def em(count: float = 1.0) -> float:
    """Lengths are measured in font heights, so that the window scales as one."""
    return count * imgui.get_font_size()


def contrast(one: int, other: int) -> float:
    """Of two colours 0xRRGGBB, 1..21 (WCAG 2.1 "contrast ratio")."""
    def luminance(value: int) -> float:
        shares = [(value >> shift & 255) / 255 for shift in (16, 8, 0)]
        linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def apply(scale: float, name: str = "dark") -> None:
    """Sets ImGui's and ImPlot's style for a UI scale (1 = 100 %)."""
    global _colors
    _colors = COLORS.get(name, COLORS["dark"])
    color.cache_clear()
    ink.cache_clear()
    _apply_measures(scale)
    _apply_colors()
    _apply_plots(scale)


def _apply_measures(scale: float) -> None:
    fresh, style = imgui.Style(), imgui.get_style()
    for measure in (a for a in dir(fresh) if isinstance(getattr(fresh, a), (float, ImVec2)) and not a.startswith("_")):
        setattr(style, measure, getattr(fresh, measure))       # scale_all_sizes multiplies what is there
    style.window_padding = ImVec2(10, 8)
    style.frame_padding = ImVec2(7, 3)
    style.item_spacing = ImVec2(6, 4)
    style.item_inner_spacing = ImVec2(5, 4)
    style.cell_padding = ImVec2(6, 2)
    style.window_rounding = style.child_rounding = style.popup_rounding = 3
    style.frame_rounding = style.grab_rounding = style.tab_rounding = 3
    style.scrollbar_rounding = 6
    style.scrollbar_size = 10
    style.grab_min_size = 9
    style.popup_border_size = 1
    style.window_border_size = style.frame_border_size = style.tab_border_size = 0
    style.tab_bar_overline_size = 2
    style.docking_separator_size = 3
    style.docking_node_has_close_button = False
    style.tab_close_button_min_width_selected = style.tab_close_button_min_width_unselected = 0    # on hover only
    style.disabled_alpha = 0.45
    style.window_menu_button_position = imgui.Dir.none
    style.font_size_base = FONT_SIZE
    style.scale_all_sizes(scale)
    style.font_scale_main = scale


def _apply_colors() -> None:
    style, slots = imgui.get_style(), imgui.Col_
    chosen = {
        "text": ("text", "input_text_cursor"),
        "dim": ("text_disabled",),
        "sunken": ("separator", "menu_bar_bg", "docking_empty_bg", "title_bg", "title_bg_active", "title_bg_collapsed"),
        "panel": ("window_bg", "tab_selected", "tab_dimmed_selected"),
        "popup": ("popup_bg",),
        "frame": ("frame_bg", "button", "scrollbar_grab"),
        "frame_hovered": ("frame_bg_hovered", "button_hovered", "scrollbar_grab_hovered", "header_hovered",
                          "tab_hovered"),
        "frame_active": ("frame_bg_active", "button_active", "scrollbar_grab_active"),
        "raised": ("table_header_bg",),
        "line": ("border", "table_border_strong", "table_border_light", "resize_grip", "tree_lines"),
        "accent": ("check_mark", "slider_grab", "slider_grab_active", "tab_selected_overline", "separator_hovered",
                   "separator_active", "resize_grip_hovered", "resize_grip_active", "plot_histogram", "plot_lines",
                   "plot_histogram_hovered", "plot_lines_hovered", "drag_drop_target", "nav_cursor", "text_link"),
        "accent_low": ("header", "header_active", "text_selected_bg", "docking_preview"),
    }
    for name, uses in chosen.items():
        for use in uses:
            style.set_color_(getattr(slots, use), color(name))
    for use in ("child_bg", "border_shadow", "scrollbar_bg", "table_row_bg", "tab", "tab_dimmed",
                "tab_dimmed_selected_overline"):
        style.set_color_(getattr(slots, use), ImVec4(0, 0, 0, 0))
    style.set_color_(slots.table_row_bg_alt, color("text", 0.02))
    style.set_color_(slots.modal_window_dim_bg, ImVec4(0, 0, 0, 0.5))


def _apply_plots(scale: float) -> None:
    style, slots = implot.get_style(), implot.Col_
    implot.style_colors_auto()
    for use, name in (("plot_bg", "backdrop"), ("plot_border", "line"), ("axis_text", "dim"),
                      ("axis_grid", "line"), ("axis_tick", "line"), ("inlay_text", "text")):
        style.set_color_(getattr(slots, use), color(name))
    style.set_color_(slots.frame_bg, color("panel", 0.0))
    style.plot_padding = ImVec2(4 * scale, 4 * scale)
    style.label_padding = ImVec2(4 * scale, 3 * scale)
    style.mouse_pos_padding = ImVec2(6 * scale, 6 * scale)
    style.plot_min_size = ImVec2(60 * scale, 50 * scale)
    style.plot_border_size = 1
