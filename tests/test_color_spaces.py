"""PQ, primaries, ProPhoto and Y'CbCr against colour-science over their whole range."""

import itertools
import warnings

import numpy as np
import pytest
import torch

from histmatch_lab.color import (
    PRIMARIES,
    convert_primaries,
    linear_to_srgb,
    nits_to_pq,
    pq_to_nits,
    primaries_matrix,
    prophoto_to_linear,
    rgb_to_ycbcr,
    srgb_to_linear,
    ycbcr_to_rgb,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it warns of optional packages that it could use
    import colour

SPACES = {"bt709": "sRGB", "bt2020": "ITU-R BT.2020", "prophoto": "ProPhoto RGB"}
WEIGHTS = {"bt601": "ITU-R BT.601", "bt709": "ITU-R BT.709", "bt2020": "ITU-R BT.2020"}
VALUES = np.concatenate([np.linspace(0, 1, 4097), np.geomspace(1e-9, 1, 500)])


def test_pq_is_st_2084():
    got = pq_to_nits(torch.from_numpy(VALUES)).numpy()
    np.testing.assert_allclose(got, colour.models.eotf_ST2084(VALUES), rtol=1e-6, atol=1e-9)
    nits = np.concatenate([[0], np.geomspace(1e-6, 10_000, 4000)])
    got = nits_to_pq(torch.from_numpy(nits)).numpy()
    np.testing.assert_allclose(got, colour.models.eotf_inverse_ST2084(nits), rtol=1e-6, atol=1e-9)


def test_srgb_is_iec_61966():
    values = torch.from_numpy(VALUES)
    for got, wanted in (
        (srgb_to_linear(values), colour.models.eotf_sRGB(VALUES)),
        (linear_to_srgb(values), colour.models.eotf_inverse_sRGB(VALUES)),
    ):
        np.testing.assert_allclose(got.numpy(), wanted, rtol=1e-6, atol=1e-9)


def test_pq_of_known_light_clamps_and_keeps_the_type():
    light = torch.tensor([0.0, 100.0, 1000.0, 10_000.0, 20_000.0])
    wanted = torch.tensor([0.0, 0.508078, 0.751827, 1.0, 1.0])
    torch.testing.assert_close(nits_to_pq(light), wanted, atol=1e-5, rtol=0)
    assert pq_to_nits(torch.tensor([-0.5, 2.0])).tolist() == [0, 10_000]
    assert pq_to_nits(light.half() / 20_000).dtype == torch.float16


def test_pq_is_undone_in_float32():
    values = torch.linspace(0, 1, 1024)
    torch.testing.assert_close(nits_to_pq(pq_to_nits(values)), values, atol=1e-6, rtol=0)


def test_prophoto_is_romm():
    got = prophoto_to_linear(torch.from_numpy(VALUES)).numpy()
    wanted = colour.models.cctf_decoding_ROMMRGB(VALUES)
    np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(("source", "target"), [*itertools.product(SPACES, repeat=2)])
def test_primaries_are_those_of_the_standards(source, target):
    spaces = [colour.RGB_COLOURSPACES[SPACES[name]].copy() for name in (source, target)]
    for space in spaces:
        space.use_derived_transformation_matrices(True)  # not the rounded ones of the standards
    wanted = colour.matrix_RGB_to_RGB(spaces[0], spaces[1], "Bradford")
    got = primaries_matrix(source, target)
    np.testing.assert_allclose(got, wanted, atol=1e-6)
    torch.testing.assert_close(got.sum(1), torch.ones(3, dtype=torch.float64))  # white is kept


def test_a_picture_is_converted_pixel_by_pixel_and_back():
    image = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(1)).double()
    for source, target in itertools.permutations(PRIMARIES, 2):
        there = convert_primaries(image, source, target)
        pixel = primaries_matrix(source, target) @ image[1, :, 2, 3]
        torch.testing.assert_close(there[1, :, 2, 3], pixel)
        torch.testing.assert_close(convert_primaries(there, target, source), image)
    with pytest.raises(ValueError, match="source must be one of 'bt709'"):
        convert_primaries(image, "p3", "bt709")


@pytest.mark.parametrize("matrix", WEIGHTS)
@pytest.mark.parametrize(
    ("bits", "full_range"), [(8, False), (10, False), (12, False), (8, True), (10, True)]
)
def test_ycbcr_is_that_of_the_standards(matrix, bits, full_range):
    generator = np.random.default_rng(2)
    corners = np.array(list(itertools.product((0, 0.5, 1), repeat=3)))
    rgb = np.concatenate([corners, generator.random((400, 3))])
    codes = colour.RGB_to_YCbCr(
        rgb,
        K=colour.WEIGHTS_YCBCR[WEIGHTS[matrix]],
        out_bits=bits,
        out_legal=not full_range,
        out_int=True,
    )
    options = {"matrix": matrix, "bits": bits, "full_range": full_range}
    planes = torch.from_numpy(rgb).T.unsqueeze(-1)
    got = rgb_to_ycbcr(planes, **options)[..., 0].T.numpy()
    assert np.abs(got - codes).max() <= 0.5 + 1e-6  # the oracle rounds to integers
    back = ycbcr_to_rgb(rgb_to_ycbcr(planes, **options), **options)
    torch.testing.assert_close(back, planes)


def test_codes_of_black_and_white():
    for bits, black, white, middle in ((8, 16, 235, 128), (10, 64, 940, 512)):
        codes = torch.tensor([[black, white], [middle, middle], [middle, middle]]).double()
        rgb = ycbcr_to_rgb(codes[..., None], matrix="bt709", bits=bits, full_range=False)
        torch.testing.assert_close(rgb[..., 0], torch.tensor([[0.0, 1.0]] * 3).double())
    with pytest.raises(ValueError, match="bits must be 8 to 16, got 4"):
        ycbcr_to_rgb(codes[..., None], matrix="bt709", bits=4, full_range=True)
    with pytest.raises(ValueError, match="matrix must be one of"):
        ycbcr_to_rgb(codes[..., None], matrix="bt470", bits=8, full_range=True)
    with pytest.raises(TypeError, match="codes"):
        ycbcr_to_rgb(codes[..., None].int(), matrix="bt709", bits=8, full_range=True)
