"""A small function compiled as the kernel is, and kept in numba's cache folder."""

from everlearn.fast.kernel import _tried


def twice(x):
    return 2 * x


if __name__ == "__main__":
    print(_tried(twice, 1.0)(4.0))
