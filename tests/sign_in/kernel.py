"""Runs a cell in a Jupyter kernel of the interpreter in its first argument, and prints each message as a line of JSON.

A line on stdin is the user's input for the field below the cell, when the cell asks for it.
"""

from __future__ import annotations

import contextlib
import json
import queue
import sys
import threading

from jupyter_client.manager import KernelManager

_WAIT = 120


def main(interpreter: str, code: str) -> None:
    typed: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=lambda: [typed.put(line.strip()) for line in sys.stdin], daemon=True).start()
    manager = KernelManager(kernel_name="python3")
    manager.kernel_spec.argv[0] = interpreter
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=_WAIT)
        cell = client.execute(code, allow_stdin=True)
        while True:
            # Not waited for: the cell's output comes on another channel, and may come later than the question.
            with contextlib.suppress(queue.Empty):
                client.get_stdin_msg(timeout=0.05)
                print(json.dumps({"type": "asked"}), flush=True)
            with contextlib.suppress(queue.Empty):
                client.input(typed.get_nowait())
            try:
                message = client.get_iopub_msg(timeout=0.05)
            except queue.Empty:
                continue
            print(json.dumps({"type": message["msg_type"], **message["content"]}, default=str), flush=True)
            ended = message["msg_type"] == "status" and message["content"]["execution_state"] == "idle"
            if ended and message["parent_header"].get("msg_id") == cell:
                return
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
