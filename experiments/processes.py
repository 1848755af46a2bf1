"""The flags of a pass that several processes share, and how often it is saved."""

from typing import TYPE_CHECKING

from experiments import cli
from styleinv.errors import InputError

if TYPE_CHECKING:
    from styleinv.measuring.hosts import Launch

FLAGS = (
    cli.Flag("every", "60", "seconds between checkpoints"),
    cli.Flag("coordinator", "HOST:PORT", "of several processes, the address of the first"),
    cli.Flag("processes", "N", "how many there are"),
    cli.Flag("process", "I", "which of them this one is, from 0"),
    cli.Flag("distributed", "auto", "several processes that Slurm, Open MPI or a TPU pod started"),
    cli.Flag("patience", "30", "seconds after which a process without a sign of life is given up"),
)


def launch_of(request: cli.Request) -> "Launch | None":
    """How the processes of this pass find each other; None for one alone.

    Raises:
        InputError: for flags that do not belong together.
    """
    from styleinv.measuring.hosts import Launch

    given = {name: request.extra[name][0] for name in request.extra}
    three = [given[name] for name in ("coordinator", "processes", "process") if name in given]
    automatic = given.get("distributed")
    if not three and automatic is None:
        return None
    if not request.workdir:
        raise InputError("several processes share one folder; name it: --workdir=FOLDER")
    if automatic is not None:
        if automatic != "auto" or three:
            raise InputError("write --distributed=auto, or the address, number and count")
        return Launch()
    if len(three) < 3:
        raise InputError("--coordinator, --processes and --process belong together; give all three")
    if not (three[1].isdecimal() and three[2].isdecimal() and int(three[2]) < int(three[1])):
        raise InputError(
            f"--process (={three[2]}) must be a number from 0, less than --processes (={three[1]})"
        )
    return Launch(three[0], int(three[1]), int(three[2]))


def seconds(request: cli.Request, flag: str) -> float:
    """The value of a flag, or what its help shows.

    Raises:
        InputError: for anything but a number of 0 or more.
    """
    shown = next(each.shown for each in FLAGS if each.name == flag)
    text = request.extra.get(flag, (shown,))[0]
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise InputError(f"--{flag} (={text}) must be a number of seconds")
    return value
