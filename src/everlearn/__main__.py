"""The command: `everlearn`, or `python -m everlearn`."""

import sys


def main() -> None:
    """Run the command line, or say what it needs."""
    try:
        from everlearn import cli  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("everlearn"):
            raise
        print(f"the everlearn command needs {error.name}: pip install 'everlearn[cli]'", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    raise SystemExit(cli.main())


if __name__ == "__main__":
    main()
