"""The reward that a verifier wrote, read by Harbor's rules.

`reward.json` wins over `reward.txt`, and a reward that is missing or no finite number is an error.
"""

from __future__ import annotations

import json
import math


def read_reward(as_json: bytes | None, as_text: bytes | None) -> dict[str, float]:
    """The rewards that a verifier wrote; the key `reward` is always among them.

    Args:
        as_json: content of reward.json; None when there is none.
        as_text: content of reward.txt; None when there is none.

    Raises:
        ValueError: there is no usable reward; the message says why.
    """
    if as_json is not None:
        try:
            said = json.loads(as_json)
        except (ValueError, RecursionError) as e:
            raise ValueError(f"reward.json is not JSON: {e}") from e
        values = said if isinstance(said, dict) else {"reward": said}
        source = "reward.json"
    elif as_text is not None:
        try:
            values = {"reward": float(as_text.decode())}
        except ValueError as e:
            raise ValueError(f"reward.txt is not a number: {as_text[:40]!r}") from e
        source = "reward.txt"
    else:
        raise ValueError("the verifier wrote neither reward.json nor reward.txt")
    rewards: dict[str, float] = {}
    for name, value in values.items():
        if not isinstance(value, (int, float)) or not math.isfinite(value):
            raise ValueError(f"{source} has a value that is no finite number: {value!r:.40}")
        rewards[name] = float(value)
    if "reward" not in rewards and len(rewards) == 1:
        rewards["reward"] = next(iter(rewards.values()))
    if "reward" not in rewards:
        raise ValueError(f"{source} has no value named reward")
    if not 0.0 <= rewards["reward"] <= 1.0:
        raise ValueError(f"{source} has a reward outside [0, 1]: {rewards['reward']:g}")
    return rewards
