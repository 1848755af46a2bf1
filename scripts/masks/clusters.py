"""Regions by clustering: the same looks are the same region in every picture of a folder."""

from collections.abc import Sequence

import numpy as np

from masks import palette

_DOWN = 100.0


def propose(smalls: Sequence[np.ndarray], names: Sequence[str]) -> list[dict[str, np.ndarray]]:
    """{region: bool[h, w]} of each small picture: one cluster for each name, from top to bottom.

    Clusters of one name are one region.
    """
    looks = palette.centers(smalls, len(names), _DOWN)
    numbers = [palette.nearest(small, looks, _DOWN) for small in smalls]
    return [
        {
            name: np.isin(number, [i for i, other in enumerate(names) if other == name])
            for name in dict.fromkeys(names)
        }
        for number in numbers
    ]
