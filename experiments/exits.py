"""How a program ends: its exit status, and one line for a mistake of its user's."""

import errno
import logging
import os
import sys
from collections.abc import Callable
from typing import NoReturn

from styleinv.errors import InputError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


def answer(work: Callable[[], int | None]) -> NoReturn:
    """Exits with what `work` returns, or 0; with 2 after one line for an error of the user's."""
    logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stderr)
    for noisy in ("absl", "jax", "matplotlib", "orbax"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    try:
        sys.exit(work() or 0)
    except InputError as error:
        _fail(error)
    except FloatingPointError as error:
        _fail(f"{error}; try other layer weights, or a lower learning rate")
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        full = f"{error.filename or 'the disk'} cannot be written: {error.strerror}; make room"
        _fail(InputError(full))  # which is one line, whatever the file is called


def _fail(message: object) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(2)
