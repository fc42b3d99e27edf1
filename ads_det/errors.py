"""What a user can correct, said in one sentence."""

import sys


class ADSError(Exception):
    """Bad input, configuration or state.

    The message is one sentence that names the file or field and says what to do. The tools
    print it without a traceback and exit with status 2.
    """

    def __init__(self, message: str) -> None:
        # a data loader's worker hands it over inside the text of a traceback
        super().__init__(message.rpartition(f"{__name__}.ADSError: ")[2].strip())


def exit_without_stack() -> None:
    """End a script with status 2 and one sentence if mmengine, mmcv and mmdet are not installed."""
    from ads_det.compat import check_stack  # takes as long as all else before the arguments

    try:
        check_stack()
    except ImportError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
