"""Events for TensorBoard, read back from the files."""

import io
import struct
import sys

import numpy as np
import pytest
from PIL import Image

from styleinv import images, tensorboard
from styleinv.errors import DiskError, InputError


def read_events(folder):
    """The events in the files of a folder: length u64, its checksum u32, bytes, checksum u32."""
    from tensorboardX.proto.event_pb2 import Event

    events = []
    for path in sorted(folder.glob("events.out.tfevents.*")):
        content = path.read_bytes()
        while content:
            (size,) = struct.unpack("<Q", content[:8])
            events.append(Event.FromString(content[12 : 12 + size]))
            content = content[16 + size :]
    return events


def values(events):
    return [(event.step, value) for event in events for value in event.summary.value]


def test_events_are_written(tmp_path):
    events = tensorboard.Events(tmp_path, 1)
    for step in (1, 2, 3):
        events.scalars({"loss": 1 / step, "style/relu1_1": 0.5 / step}, step)
    events.close()
    scalars = [(s, v.tag, v.simple_value) for s, v in values(read_events(tmp_path / "tensorboard"))]
    desired = [
        (step, name, np.float32(scale / step))
        for step in (1, 2, 3)
        for name, scale in (("loss", 1), ("style/relu1_1", 0.5))
    ]
    assert scalars == desired


def test_events_hold_images(tmp_path, pictures):
    image = images.read(pictures / "a.png")
    events = tensorboard.Events(tmp_path, 1)
    events.image("seed0", image, 7)
    events.close()
    ((step, value),) = values(read_events(tmp_path / "tensorboard"))
    assert (step, value.tag) == (7, "seed0")
    actual = np.asarray(Image.open(io.BytesIO(value.image.encoded_image_string)))
    # tensorboardX cuts off where we round.
    np.testing.assert_allclose(actual, images.to_bytes(image), atol=1)


def test_events_of_a_resumed_run_purge_what_comes_again(tmp_path):
    for first in (1, 3):
        events = tensorboard.Events(tmp_path, first)
        events.scalars({"loss": 1.0}, first)
        events.close()
    starts = [
        event.step
        for event in read_events(tmp_path / "tensorboard")
        if event.WhichOneof("what") == "session_log"
    ]
    assert 3 in starts


def test_events_on_a_full_disk_are_answered_and_closed(tmp_path):
    resource = pytest.importorskip("resource")
    events = tensorboard.Events(tmp_path, 1)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        with pytest.raises(DiskError, match="tensorboard cannot be written: File too large"):
            events.scalars({f"loss{i}": 1.0 for i in range(1000)}, 1)  # more than a buffer
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    events.close()


def test_require_says_how_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(InputError, match=r"needs tensorboardX; pip install 'styleinv\[tensorboard"):
        tensorboard.require()
    with pytest.raises(InputError, match="needs tensorboardX"):
        tensorboard.Events(tmp_path, 1)
    assert not list(tmp_path.iterdir())
