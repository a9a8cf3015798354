"""The gateway's web service."""

import json
import os
import urllib.request

from .states import STATES

URL = "https://gateway.example.com/v2/messages"


class Gateway:
    def __init__(self):
        self.key = os.environ.get("DISPATCH_KEY")
        if not self.key:
            raise SystemExit("dispatch: API key is not set (DISPATCH_KEY)")

    def state(self, message):
        request = urllib.request.Request(f"{URL}/{message}", headers={"Authorization": self.key})
        with urllib.request.urlopen(request) as answer:
            return STATES[json.load(answer)["state"]]
