"""The routes to a data set, each against a real server, folder or package format."""

import gzip
import http.server
import io
import logging
import multiprocessing
import os
import pickle
import socket
import tarfile
import threading
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from everlearn.streams import datasets, flights, source
from everlearn.streams.datasets import mnist_from_pickle, pack_omniglot, read_idx, write_idx
from everlearn.streams.source import DataSet, Route, Unreachable, download, sha256
from everlearn.types import InputError

CONTENT = b"the whole file" * 1000


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("EVERLEARN_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "data"


@pytest.fixture
def server(tmp_path):
    """Serves a folder; yields its address and the folder."""
    served = tmp_path / "served"
    served.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(served))

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}/", served
        httpd.shutdown()


def a_set(*routes, content=CONTENT):
    return DataSet("toy", "a toy", {"toy/file": sha256(content)}, routes, lambda files: {"bytes": files["toy/file"]})


def failing(message="no way"):
    def fetch():
        raise Unreachable(message)

    return Route("nowhere", fetch)


def giving(content=CONTENT):
    return Route("somewhere", lambda: {"toy/file": content})


def test_routes_are_tried_in_order_and_one_line_says_so(folder, caplog):
    assert a_set(failing("no answer"), giving()).load()["bytes"] == CONTENT
    lines = [record.message for record in caplog.records]
    assert lines == ["toy: nothing from nowhere: no answer; trying the next way"]
    assert (folder / "toy/file").read_bytes() == CONTENT
    assert list(folder.rglob("*.part")) == []


def test_what_is_in_the_folder_is_not_fetched_again():
    a_set(giving()).load()
    assert a_set(failing()).load()["bytes"] == CONTENT


def test_a_packed_file_put_there_by_hand_is_read(folder):
    (folder / "toy").mkdir(parents=True)
    (folder / "toy/file.gz").write_bytes(gzip.compress(CONTENT))
    assert a_set(failing()).load()["bytes"] == CONTENT


def test_the_users_cache_folder_is_looked_at_too(tmp_path):
    place = tmp_path / "cache/everlearn/toy"
    place.mkdir(parents=True)
    (place / "file").write_bytes(CONTENT)
    assert a_set(failing()).load()["bytes"] == CONTENT


def test_damaged_content_is_never_taken(folder, caplog):
    assert a_set(giving(b"half"), giving()).load()["bytes"] == CONTENT
    assert "another checksum" in caplog.text
    (folder / "toy/file").write_bytes(CONTENT[:100])
    caplog.clear()
    assert a_set(giving()).load()["bytes"] == CONTENT
    assert "is damaged or another file; fetching it anew" in caplog.text


def test_offline_one_line_says_what_to_put_where(folder):
    with pytest.raises(InputError, match=f"toy could not be fetched: put toy/file into {folder}, or set EVERLEARN_"):
        a_set(failing(), failing()).load()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_passed_over(folder, tmp_path):
    folder.mkdir()
    folder.chmod(0o500)
    a_set(giving()).load()
    assert (tmp_path / "cache/everlearn/toy/file").exists()


def test_a_folder_that_is_a_file_is_passed_over(folder, tmp_path, monkeypatch):
    folder.write_text("no folder")
    a_set(giving()).load()
    assert (tmp_path / "cache/everlearn/toy/file").exists()
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    with pytest.raises(InputError, match="can't be written; set EVERLEARN_DATA"):
        a_set(giving()).load()


def _load_slowly(folder, barrier):
    os.environ["EVERLEARN_DATA"] = folder
    barrier.wait()
    assert a_set(giving()).load()["bytes"] == CONTENT


def test_two_processes_may_ask_at_once(folder):
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    both = [context.Process(target=_load_slowly, args=(str(folder), barrier)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert (folder / "toy/file").read_bytes() == CONTENT


def test_download(server):
    address, served = server
    (served / "file").write_bytes(CONTENT)
    assert download(f"{address}file") == CONTENT
    with pytest.raises(Unreachable, match="404"):
        download(f"{address}other")


def test_an_address_that_never_answers_is_given_up(monkeypatch):
    monkeypatch.setattr(source, "PATIENCE", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        with pytest.raises(Unreachable):
            download(f"http://127.0.0.1:{silent.getsockname()[1]}/file")
        assert time.monotonic() - started < 5


def test_an_address_that_breaks_off_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def half():
            with server.accept()[0] as connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")

        answering = threading.Thread(target=half)
        answering.start()
        with pytest.raises(Unreachable):
            download(f"http://127.0.0.1:{server.getsockname()[1]}/file")
        answering.join()


def test_idx_there_and_back():
    values = np.random.default_rng(0).integers(0, 256, (3, 4, 5)).astype(np.uint8)
    content = write_idx(values)
    assert content[:4] == b"\x00\x00\x08\x03"
    assert content[4:8] == (3).to_bytes(4, "big")
    np.testing.assert_array_equal(read_idx(content), values)


def test_idx_files_from_an_address(server, folder, monkeypatch):
    address, served = server
    files = {file: write_idx(np.full((2, 2), i, np.uint8)) for i, file in enumerate(datasets.IDX.values())}
    for file, content in files.items():
        (served / f"{file}.gz").write_bytes(gzip.compress(content))
    digests = {f"mnist/{file}": sha256(content) for file, content in files.items()}
    toy = replace(datasets.MNIST, files=digests, routes=(datasets._idx_address("mnist", address),))
    arrays = toy.load()
    assert {key: int(values[0, 0]) for key, values in arrays.items()} == {
        "train_images": 0, "train_labels": 1, "test_images": 2, "test_labels": 3,
    }  # fmt: skip


def pickled_mnist():
    """As the package has it, but with few images: 3 + 1 + 2."""
    chance = np.random.default_rng(0)
    pairs = [(chance.integers(0, 256, (n, 784)).astype(np.float32) / 256, chance.integers(0, 10, n)) for n in (3, 1, 2)]
    return pairs, pickle.dumps(tuple(pairs), protocol=3).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


def test_mnist_from_the_package():
    pairs, content = pickled_mnist()
    files = mnist_from_pickle(content)
    images = read_idx(files["mnist/train-images-idx3-ubyte"])
    assert images.shape == (4, 28, 28)
    np.testing.assert_array_equal(images[3].ravel(), pairs[1][0][0] * 256)
    np.testing.assert_array_equal(read_idx(files["mnist/t10k-labels-idx1-ubyte"]), pairs[2][1])


def test_only_arrays_are_unpickled():
    class Evil:
        def __reduce__(self):
            return os.system, ("true",)

    with pytest.raises(Unreachable, match=r"asks for posix\.system, which is no array"):
        mnist_from_pickle(pickle.dumps(Evil()))


def test_real_mnist(monkeypatch, caplog):
    """By whatever route leads to it here; checksums of all four files are the data set's."""
    monkeypatch.undo()
    with caplog.at_level(logging.ERROR):
        arrays = datasets.load("mnist")
    assert {key: values.shape for key, values in arrays.items()} == {
        "train_images": (60_000, 28, 28), "train_labels": (60_000,),
        "test_images": (10_000, 28, 28), "test_labels": (10_000,),
    }  # fmt: skip
    assert np.bincount(arrays["train_labels"]).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]


OMNIGLOT = Path(os.environ.get("EVERLEARN_DATA", ".")) / "omniglot_105_packed.npz"


@pytest.mark.skipif(not OMNIGLOT.exists(), reason="needs Omniglot in $EVERLEARN_DATA")
def test_omniglot_from_the_official_zips_is_the_cached_file(monkeypatch):
    """The archives rebuilt from the packed file, in their layout, are packed to the same arrays."""
    with np.load(OMNIGLOT) as file:
        packed = {key: file[key] for key in file.files}
    chosen = np.flatnonzero(np.isin(packed["alphabet"], [0, 1, 30]))
    archives = [io.BytesIO(), io.BytesIO()]
    for split, archive in enumerate(archives):
        with zipfile.ZipFile(archive, "w") as images:
            for i in chosen[packed["split"][chosen] == split]:
                ink = np.unpackbits(packed["images"][i])[:11025].reshape(105, 105).astype(bool)
                file = io.BytesIO()
                Image.fromarray(~ink).save(file, "png")
                name = packed["characters"][packed["character"][i]]
                images.writestr(f"{name}/{i % 10000:04d}_{packed['drawer'][i]:02d}.png", file.getvalue())
    with np.load(io.BytesIO(pack_omniglot([archive.getvalue() for archive in archives]))) as made:
        for key in ("images", "drawer", "split"):
            np.testing.assert_array_equal(made[key], packed[key][chosen])
        np.testing.assert_array_equal(made["alphabets"], packed["alphabets"][[0, 1, 30]])
        names = made["characters"][made["character"]]
        np.testing.assert_array_equal(names, packed["characters"][packed["character"][chosen]])
    monkeypatch.setenv("EVERLEARN_DATA", str(OMNIGLOT.parent))
    assert datasets.OMNIGLOT.load()["images"].shape == (32_460, 1379)


@pytest.mark.parametrize("damage", [lambda c: c[:-20], lambda c: c[:12] + b"!" * 50, lambda _: b"no"])
def test_what_is_not_gzip_fits_no_checksum(damage):
    assert source.unpacked(damage(gzip.compress(CONTENT))) == b""


def test_a_damaged_archive_is_no_data(server, monkeypatch):
    address, served = server
    for name in ("images_background", "images_evaluation"):
        (served / f"{name}.zip").write_text("<html>not here</html>")
    monkeypatch.setattr(datasets, "OMNIGLOT_ADDRESS", address)
    with pytest.raises(Unreachable, match="not a zip file"):
        datasets._omniglot_address()
    with pytest.raises(Unreachable, match="damaged"):
        mnist_from_pickle(b"")


ARFF = b"""@relation electricity
@attribute date real
@data
0,2,0,0.056443,0.439155,0.003467,0.422915,0.414912,UP
0,2,0.021277,0.051699,0.415055,0.003467,0.422915,0.414912,DOWN
"""


def test_elec2_from_its_arff_file():
    packed = datasets.elec2_from_arff(ARFF)
    data = datasets.ELEC2.read({datasets.ELEC2_FILE: packed})
    assert data["y"].tolist() == [1, 0]
    np.testing.assert_allclose(data["x"][1], [0.021277, 0.051699, 0.415055, 0.003467, 0.422915, 0.414912], rtol=1e-6)
    with pytest.raises(Unreachable, match="it is no such ARFF file"):
        datasets.elec2_from_arff(ARFF.replace(b"UP", b"SIDEWAYS"))


FLIGHTS = """month,day,dep_time,sched_dep_time,sched_arr_time,arr_delay,carrier,origin,dest,distance
10,2,1305,1300,1455,20,UA,EWR,IAH,1400
1,1,NA,600,800,NA,AA,LGA,MIA,1096
1,1,701,700,855,-5,AA,LGA,MIA,1096
1,1,600,545,850,15,B6,JFK,BQN,1576
"""


def archive(table):
    inner, outer = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(inner, "w") as file:
        file.writestr("flights.csv", table)
    with tarfile.open(fileobj=outer, mode="w:gz") as file:
        member = tarfile.TarInfo(flights.INSIDE)
        member.size = len(inner.getvalue())
        file.addfile(member, io.BytesIO(inner.getvalue()))
    return outer.getvalue()


def test_flights_from_their_package():
    """In order of departure as planned, without those that never arrived."""
    data = flights.read({flights.FILE: flights.packed(archive(FLIGHTS))})
    assert data["day"].tolist() == [1, 1, 275]
    assert data["weekday"].tolist() == [1, 1, 2]
    assert data["departure"].tolist() == [345, 420, 780]
    assert data["arrival"].tolist() == [530, 535, 895]
    assert data["delay"].tolist() == [15, -5, 20]
    assert data["origins"][data["origin"]].tolist() == ["JFK", "LGA", "EWR"]
    assert data["carriers"][data["carrier"]].tolist() == ["B6", "AA", "UA"]
    assert data["distance"].tolist() == [1576, 1096, 1400]


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b" + bytes(20), archive("a,b\n1,2\n"), archive(FLIGHTS)[:200]])
def test_what_is_no_archive_of_flights(content):
    with pytest.raises(Unreachable, match="it is no such archive"):
        flights.packed(content)
