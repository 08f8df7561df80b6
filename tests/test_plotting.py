import base64
import io
import itertools

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from quadlib import plotting
from quadlib.plotting import PALETTE, N_color, N_style, p_color, p_style

RANGE_P, RANGE_N = 2.0 ** np.arange(0, 6.5, 0.5), 10.0 ** np.arange(1, 12.5, 0.5)


def luminance(color):
    """Relative luminance of WCAG 2.2."""
    rgb = np.array(to_rgb(color))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def contrast(color):
    return 1.05 / (luminance(color) + 0.05)


def colours():
    scales = [
        *map(p_color, RANGE_P),
        *map(N_color, RANGE_N),
        *map(plotting.teacher_color, range(4)),
    ]
    return [*PALETTE.values(), *scales]


def test_lines_and_text_stand_out_against_white():
    assert min(map(contrast, colours())) >= 3
    assert min(contrast(PALETTE[name]) for name in ("warning", "ode", "sgd", "law")) >= 4.5


def test_one_meaning_one_colour():
    assert len(set(PALETTE.values())) == len(PALETTE)
    teachers = {plotting.teacher_color(r) for r in range(4)}
    assert len(teachers) == 4
    assert not teachers & set(PALETTE.values())


@pytest.mark.parametrize(("color", "values"), [(p_color, RANGE_P), (N_color, RANGE_N)])
def test_a_scale_grows_darker(color, values):
    light = [luminance(color(value)) for value in values]
    assert all(a > b for a, b in itertools.pairwise(light))


def test_without_colours_line_styles_tell_neighbours_apart():
    for style, values in (
        (p_style, (1, 2, 3, 4, 8, 16, 32)),
        (N_style, 10 ** np.arange(2, 13)),
        (plotting.teacher_style, range(4)),
    ):
        dashes = [style(value)["ls"] for value in values]
        for a, b in itertools.pairwise(dashes):
            assert a != b


def test_grey_and_dichromatic_readers_tell_sgd_ode_and_flow_apart():
    """Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB."""
    deuter = [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]]
    protan = [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]]
    for seen in (deuter, protan):
        rows = [np.array(seen) @ np.array(to_rgb(PALETTE[name])) for name in ("sgd", "ode", "flow")]
        for a, b in itertools.combinations(rows, 2):
            assert np.linalg.norm(a - b) > 0.25


def test_a_picture_is_sharp_and_has_words_and_pixels():
    fig, ax = plotting.figure()
    ax.plot([0, 1], color=PALETTE["ode"])
    data, metadata = plotting.Picture(fig, "A line.")._repr_mimebundle_()
    image = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert image.width == 2 * metadata["image/png"]["width"] == 1800
    assert 'alt="A line."' in data["text/html"]
    assert 'width="900"' in data["text/html"]
    assert data["image/png"] in data["text/html"]
    assert data["text/plain"] == "A line."


def test_letters_are_at_least_nine_pixels():
    fig, ax = plotting.figure()
    ax.plot([0, 1], label="small")
    smallest = [*ax.get_xticklabels(), *ax.legend(fontsize="small").get_texts()]
    for text in smallest:
        assert text.get_fontsize() * fig.dpi / 72 >= 9


def test_nothing_leaks_into_the_settings_of_others():
    assert matplotlib.rcParams["font.size"] == 10
