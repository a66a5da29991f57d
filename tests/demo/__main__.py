"""Run the demo (`make demo`): Django and the websockets server. Ctrl-C stops both."""

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

MANAGE = Path(__file__).with_name("manage.py")


def main() -> int:
    options = arguments()
    os.environ.update(
        DJANGO_SETTINGS_MODULE="tests.demo.settings",
        DEMO_WEBSOCKET_PORT=str(usable(options.websocket_port)),
        PYTHONUNBUFFERED="1",
    )
    port = usable(options.port)
    if options.database:
        os.environ["DEMO_DATABASE"] = options.database
    prepare()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    children = [
        manage("runws", "--server", options.server),
        manage("runserver", "--noreload", f"127.0.0.1:{port}"),
    ]
    try:
        return watch(children, port)
    except SystemExit:
        return 0
    finally:
        end(children)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--websocket-port", type=int, default=8427)
    parser.add_argument("--server", choices=["auto", "centrifugo", "dev"], default="auto")
    parser.add_argument("--database", help="path of the SQLite database; default: tests/demo/demo.sqlite3")
    return parser.parse_args()


def usable(port: int) -> int:
    """Return the port, or a free one if it is in use."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            print(f"Port {port} is in use; using another one.", flush=True)
            probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def prepare() -> None:
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    from tests.demo.seed import seed

    seed()


def manage(*args: str) -> subprocess.Popen[bytes]:
    # In its own session, so that Ctrl-C does not signal it twice: from the terminal and from end().
    return subprocess.Popen([sys.executable, str(MANAGE), *args], start_new_session=True)


def watch(children: list[subprocess.Popen[bytes]], port: int) -> int:
    """Print the page's URL when Django answers. Return an exit status when one of the processes exits."""
    announced = False
    while all(child.poll() is None for child in children):
        if not announced and answers(port):
            announced = True
            print(
                f"\n  The demo is at http://localhost:{port}/\n"
                "  Log in as admin, sam, alice or bob. The password of every user is demo.\n"
                "  Then publish a message from another terminal:\n\n"
                f"    {os.path.relpath(sys.executable)} tests/demo/manage.py shell\n"
                "    >>> from instant import publish\n"
                '    >>> publish("$users", "Hello from the shell", event_class="ok")\n\n'
                "  Press Ctrl-C to stop the demo.\n",
                flush=True,
            )
        time.sleep(0.1)
    return next((child.returncode for child in children if child.poll() is not None), 0) or 1


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def end(children: list[subprocess.Popen[bytes]]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for child in children:
        if child.poll() is None:
            child.terminate()
    for child in children:
        child.wait(40)


if __name__ == "__main__":
    sys.exit(main())
