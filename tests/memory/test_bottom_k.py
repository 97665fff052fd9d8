"""Bottom-k by hashes: what is held goes by the rows alone, in however many memories they came."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import everlearn as el
from everlearn.memory.bottom_k import hashed
from everlearn.memory.reader import Reader


def rows(numbers):
    return {"id": torch.as_tensor(numbers, dtype=torch.int64)}


def ids(memory):
    return sorted(memory.held()["id"].tolist()) if len(memory) else []


def split_mix(seed, n):
    """The first n numbers of SplitMix64, in Python's integers."""
    mask, found = 2**64 - 1, []
    for _ in range(n):
        seed = (seed + 0x9E3779B97F4A7C15) & mask
        bits = ((seed ^ (seed >> 30)) * 0xBF58476D1CE4E5B9) & mask
        bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) & mask
        found.append(bits ^ (bits >> 31))
    return found


def test_the_hash_is_split_mix():
    assert split_mix(0, 1) == [0xE220A8397B1DCDAF]
    assert [one % 2**64 for one in hashed(torch.arange(100), 0).tolist()] == split_mix(0, 100)
    assert [one % 2**64 for one in hashed(torch.arange(100), 7).tolist()] == split_mix(split_mix(0, 7)[-1], 100)


def largest(numbers, k, salt=0):
    keys = dict(zip(numbers, (hashed(torch.tensor(numbers), salt) >> 11).tolist(), strict=True))
    return sorted(sorted(keys, key=keys.get)[-k:])


streams = st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=60)


@settings(max_examples=60)
@given(stream=streams, cuts=st.lists(st.integers(0, 60), max_size=6), k=st.integers(1, 12), chance=st.randoms())
def test_it_holds_the_largest_however_often_and_in_whatever_order_they_come(stream, cuts, k, chance):
    again = stream + chance.sample(stream, len(stream) // 2)
    chance.shuffle(again)
    memory = el.BottomK(k)
    borders = sorted({0, len(again), *(cut % len(again) for cut in cuts)})
    for start, end in pairwise(borders):
        memory.add(rows(again[start:end]))
        memory.add(rows(again[max(0, start - 3) : end]))
    assert ids(memory) == largest(list({*stream}), k)


@settings(max_examples=60)
@given(stream=streams, k=st.integers(1, 12), others=st.integers(1, 4), chance=st.randoms())
def test_merged_memories_are_the_one_that_had_all_rows(stream, k, others, chance):
    memories = [el.BottomK(k, seed=seed) for seed in range(others)]
    for number in stream:
        for memory in chance.sample(memories, chance.randint(1, others)):
            memory.add(rows([number]))
    chance.shuffle(memories)
    for other in memories[1:] * 2:
        memories[0].merge(other)
    assert ids(memories[0]) == largest(list({*stream}), k)


@settings(max_examples=40)
@given(
    lengths=st.lists(st.integers(1, 80), min_size=1, max_size=4),
    capacities=st.lists(st.integers(1, 20), min_size=3, max_size=3),
    deleted=st.integers(0, 3),
    more=st.integers(0, 40),
)
def test_whatever_becomes_of_them_all_rows_above_the_bound_are_held(lengths, capacities, deleted, more):
    """From some processes to one, to three that go on, and to one again."""
    key = dict(zip(range(1000), ((hashed(torch.arange(1000), 0) >> 11).double() / 2**52).tolist(), strict=True))
    came, gone = set(), set()

    def learned(memory, n):
        new = range(len(came), len(came) + n)
        memory.add(rows(list(new)))
        came.update(new)
        return memory

    first = [learned(el.BottomK(capacities[0]), n) for n in lengths]
    gone.update(ids(first[0])[1 : 1 + deleted])
    if gone:
        first[0].delete(id=list(gone))
    parts = [el.BottomK(capacities[1]) for _ in range(3)]
    for part, memory in enumerate(parts):
        for other in first:
            memory.merge(other, part=part, parts=3)
        learned(memory, more)
    last = el.BottomK(capacities[2])
    for memory in parts:
        last.merge(memory)
    above = last.counters.get("above", -2)
    assert ids(last) == sorted(one for one in came - gone if key[one] > above)
    assert not gone & {*ids(last)}
    assert last.seen == len(came)


def chi_square(times, expected):
    return float(((times - expected) ** 2 / expected).sum() / (len(times) - 1))


def test_a_merged_sample_is_uniform():
    """Streams of unlike lengths: rows side by side, drawn from, would hold the short streams' too often."""
    lengths, capacity, repeats = (50, 200, 30, 120), 20, 300
    borders = [0, *torch.tensor(lengths).cumsum(0).tolist()]
    merged, alone = torch.zeros(400), torch.zeros(400)
    for salt in range(repeats):
        memories = [el.BottomK(capacity, salt=salt) for _ in lengths]
        for memory, (start, end) in zip(memories, pairwise(borders), strict=True):
            memory.add(rows(range(start, end)))
        alone[memories[0].held()["id"]] += 1
        for other in memories[1:]:
            memories[0].merge(other)
        assert len(memories[0]) == capacity
        merged[memories[0].held()["id"]] += 1
    assert chi_square(merged, repeats * capacity / 400) < 1.25
    assert chi_square(alone[:50], repeats * capacity / 50) < 1.25


def test_from_disk_other_processes_merge_what_is_held(tmp_path):
    memory = el.BottomK(8, path=tmp_path / "a", salt=3)
    memory.add(rows(range(50)))
    memory.delete(id=ids(memory)[0])
    other = el.BottomK(8, path=tmp_path / "b", salt=3)
    other.add(rows(range(50, 100)))
    other.merge(Reader(tmp_path / "a"))
    wanted = ids(other)
    other.close()
    again = el.BottomK(8, path=tmp_path / "b", salt=3)
    again.merge(memory)
    again.add(rows(range(50, 100)))
    assert ids(again) == wanted
    assert {*wanted} <= {*largest(list(range(100)), 10, salt=3)}


def test_what_can_not_be_is_refused():
    memory = el.BottomK(3)
    with pytest.raises(el.InputError, match="BottomK needs the column 'id'"):
        memory.add({"x": torch.zeros(1)})
    with pytest.raises(el.InputError, match="BottomK needs one integer a row in column 'id', which tells it from"):
        memory.add({"id": torch.zeros(1)})
    with pytest.raises(el.InputError, match="a bottom-k of capacity 5, key id, salt 1 can't be merged with a bottom-k"):
        memory.merge(el.BottomK(5, salt=1))
    with pytest.raises(el.InputError, match="a reservoir of capacity 5 can't be merged"):
        memory.merge(el.Reservoir(5))
    with pytest.raises(el.InputError, match="part must be from 0 to 1, not 2"):
        memory.merge(el.BottomK(5), part=2, parts=2)
    memory.add(rows([1]))
    other = el.BottomK(5)
    other.add(rows(range(9)) | {"x": torch.zeros(9)})
    with pytest.raises(el.InputError, match="x"):
        memory.merge(other)
    assert ids(memory) == [1]


def test_of_a_writer_that_was_killed_the_bound_is_known(tmp_path):
    """Rows that were passed over count in it, though none of them is written."""
    memory = el.BottomK(8, path=tmp_path / "a")
    for number in range(200):
        memory.add(rows([number]))
        assert Reader(tmp_path / "a").counters.get("above", -2) == memory.counters.get("above", -2)
    memory.close()
    assert el.BottomK(8, path=tmp_path / "a").counters["above"] == memory.counters["above"]


def test_what_merging_came_to_is_known_to_others_at_once(tmp_path):
    """Though no row falls to this part."""
    other = el.BottomK(8)
    other.add(rows(range(100)))
    memory = el.BottomK(8, path=tmp_path)
    for number in range(3):
        memory.merge(other, part=10**9 - 1, parts=10**9)
        assert dict(Reader(tmp_path).counters) == dict(memory.counters)
        memory.add(rows([number]))
        assert Reader(tmp_path).counters["above"] == memory.counters["above"]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.int32, torch.uint32])
def test_identities_are_any_integers(dtype):
    memory, same = el.BottomK(8), el.BottomK(8)
    memory.add({"id": torch.arange(100).to(dtype)})
    same.add(rows(range(100)))
    assert ids(memory) == ids(same)


def test_rows_are_read_by_their_keys(tmp_path):
    memory = el.BottomK(50, path=tmp_path)
    memory.add(rows(range(500)))
    memory.flush()
    larger = [one for one in largest(list(range(500)), 50) if int(hashed(torch.tensor([one]), 0)) > 0.95 * 2**63]
    assert 0 < len(larger) < 50
    for one in (memory, Reader(tmp_path)):
        assert sorted(one.held(lambda keys: keys > 0.95)["id"].tolist()) == larger
        assert one.held(lambda keys: keys > 1) == {}
    memory.close()
