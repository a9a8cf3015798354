"""What the gateway calls the state of a message, and what we do."""

STATES = {"Q": "waiting", "S": "sent", "D": "delivered", "X": "failed", "E": "expired", "T": "delivered"}
