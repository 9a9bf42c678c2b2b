"""Names in any script, as far as the machine has fonts for them."""

import warnings

import pytest
from matplotlib import rc_context
from matplotlib.font_manager import FontManager

from f4d_mmaction.visualization import style

# A character of a font that comes with matplotlib, as DejaVu Sans does, which lacks it.
CHARACTER, ITS_FONT = "\ue000", "STIXNonUnicode"


def draw(text: str, fonts: list[str]) -> None:
    with warnings.catch_warnings(), rc_context({"font.family": fonts}):
        warnings.simplefilter("error")
        figure = style.new_figure(1, 1)
        figure.text(0, 0, text)
        style.to_array(figure)


def test_what_the_first_font_lacks_is_drawn_in_another_that_is_installed(monkeypatch, caplog):
    with pytest.raises(UserWarning, match="missing from font"):
        draw(CHARACTER, ["DejaVu Sans"])
    fonts = FontManager()  # of matplotlib's own and the machine's, not of a cache
    monkeypatch.setattr(style, "fontManager", fonts)
    monkeypatch.setattr(style, "FONTS", ["DejaVu Sans", "No such font", ITS_FONT])
    assert style.installed_fonts() == ["DejaVu Sans", ITS_FONT]
    fonts.ttflist.clear()
    assert style.installed_fonts() == ["DejaVu Sans"]
    draw(f"one {CHARACTER}", ["DejaVu Sans", ITS_FONT])
    assert not caplog.records  # which is where matplotlib tells of fonts that there are not
