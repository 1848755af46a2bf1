"""Small hard regions -> masks of the picture's size, soft, and along its edges."""

from collections.abc import Mapping

import cv2
import numpy as np

_RADIUS, _FLAT = 4, 3e-3  # of the window, in small pixels; variance of gray that counts as flat


def soften(
    regions: Mapping[str, np.ndarray], small: np.ndarray, picture: np.ndarray
) -> dict[str, np.ndarray]:
    """{region: u8[h, w]} of {region: bool[h_s, w_s]} that do not overlap; nor do the masks.

    A guided filter (He & Sun 2015, "Fast guided filter") takes the edges from the picture.
    """
    guide, large = (
        cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
        for image in (small, picture)
    )
    rest = ~np.any([*regions.values(), np.zeros(guide.shape, bool)], axis=0)
    planes = [
        _guided(region.astype(np.float32), guide, large) for region in (*regions.values(), rest)
    ]
    sharp = np.stack(planes) ** 3  # faint traces of other regions go
    return dict(zip(regions, np.round(255 * sharp / sharp.sum(0)).astype(np.uint8), strict=False))


def _guided(mask: np.ndarray, guide: np.ndarray, large: np.ndarray) -> np.ndarray:
    def mean(x: np.ndarray) -> np.ndarray:
        return cv2.boxFilter(x, -1, (2 * _RADIUS + 1,) * 2)

    size = large.shape[::-1]
    level, around = mean(guide), mean(mask)
    slope = (mean(guide * mask) - level * around) / (mean(guide**2) - level**2 + _FLAT)
    offset = around - slope * level
    slope, offset = (cv2.resize(mean(x), size) for x in (slope, offset))
    return np.clip(slope * large + offset, 0, 1)
