"""A worker that follows a stream and keeps a total: python3 examples/worker.py URL STATE_FILE

It needs Python 3.9 or later and no packages. The state file holds the total together with the cursor of the last event
that is counted in it, so that a crash counts no event twice and misses none.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

URL, STATE_FILE = sys.argv[1:3]
# Without a cursor in time, the connection counts as broken: the gateway sends one every 15 seconds.
SILENCE_SECONDS_MAX = 60
PAUSE_SECONDS_MAX = 10


def load():
    try:
        with open(STATE_FILE, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return {"total": 0, "cursor": None}


def save(state):
    """Replaces the file as a whole: a crash leaves the old state or the new one."""
    temporary = STATE_FILE + ".new"
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, STATE_FILE)


def follow(state):
    """Applies events to the state until the stream ends."""
    start = {"after": state["cursor"]} if state["cursor"] else {"beginning": "true"}
    query = urllib.parse.urlencode({"domain": "shop", "type": "payment", "progress": "true", **start})
    with urllib.request.urlopen(f"{URL}/api/events/stream?{query}", timeout=SILENCE_SECONDS_MAX) as lines:
        for line in lines:
            message = json.loads(line)
            if "error" in message:
                print(message["error"]["message"], file=sys.stderr, flush=True)
                return
            item = message["result"]
            if "entity" in item:
                state["total"] += item["entity"]["values"]["amount"]
            state["cursor"] = item["cursor"]
            save(state)
            print(state["total"], flush=True)


def main():
    state = load()
    pause = 0.1
    while True:
        cursor = state["cursor"]
        try:
            follow(state)
        except urllib.error.HTTPError as error:
            # 4xx is final: for example, the cursor's position is not in the log any more.
            if error.code < 500 and error.code != 429:
                sys.exit(error.read().decode())
        except (OSError, ValueError) as error:
            print(error, file=sys.stderr, flush=True)
        pause = 0.1 if state["cursor"] != cursor else min(2 * pause, PAUSE_SECONDS_MAX)
        time.sleep(pause)


main()
