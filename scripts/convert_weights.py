"""Turn published VGG weights into the form that is kept in the cache, and print the self-test.

python scripts/convert_weights.py default
python scripts/convert_weights.py vgg19-dcbb9e9d.pth --output vgg19.safetensors
"""

import argparse
import logging
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from styleinv.errors import InputError
from styleinv.weights import SOURCES, cache, load, selftest


def main() -> int:
    names = ", ".join(sorted({source.name for source in SOURCES}))
    parser = argparse.ArgumentParser(
        description="Convert the weights of a VGG to safetensors, and test them."
    )
    parser.add_argument("weights", help=f"a source ({names}) or the path to a file")
    parser.add_argument("--network", default="vgg19", help="vgg19 or vgg16")
    parser.add_argument("--output", type=Path, help="where to; default: the cache folder")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        weights = load(arguments.weights, arguments.network, field="weights")
        digests = {(source.name, source.network): source.digest for source in SOURCES}
        digest = digests.get((weights.name, weights.network), weights.digest)
        kept = cache.path_of(weights.network, Path(weights.name).stem, digest)
        output = arguments.output or kept
        cache.write(weights, output)
        report = selftest.check(cache.read_converted(output, weights.network))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{output}: {weights.network}, {len(weights.kernels)} convolutions from {weights.name}")
    print(f"credit: {weights.credit}")
    print(f"digest: {weights.digest}")
    print(report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
