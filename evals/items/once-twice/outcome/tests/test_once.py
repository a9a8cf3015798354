"""One thread."""

import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

from once import Once


class OnceTest(unittest.TestCase):
    """What a single caller sees."""

    def test_made_once(self):
        """The second call gets the same object."""
        asked = []
        values = Once(lambda key: asked.append(key) or [key])
        self.assertIs(values.get("a"), values.get("a"))
        self.assertEqual(asked, ["a"])
        self.assertIn("a", values)
        self.assertEqual(len(values), 1)

    def test_forget(self):
        """A forgotten value is made again."""
        asked = []
        values = Once(lambda key: asked.append(key))
        values.get(1)
        values.forget(1)
        values.forget(2)
        values.get(1)
        self.assertEqual(asked, [1, 1])

    def test_errors(self):
        """What the function raises reaches the caller, and the next call tries again."""
        answers = [ValueError("not yet"), "done"]

        def make(key):
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        values = Once(make)
        with self.assertRaises(ValueError):
            values.get("a")
        self.assertEqual(values.get("a"), "done")

    def test_threads_wait_for_the_one_that_makes(self):
        """Eight threads, one call of the function."""
        asked = []

        def make(key):
            asked.append(key)
            time.sleep(0.05)
            return object()

        values = Once(make)
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(values.get, ["a"] * 8))
        self.assertEqual(asked, ["a"])
        self.assertEqual(len(set(map(id, found))), 1)

    def test_other_keys_do_not_wait(self):
        """A key that needs another one, and two that wait for each other's beginning."""
        both = threading.Barrier(2, timeout=5)
        values = Once(lambda key: both.wait() and key)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(values.get, "ab"))
        chain = Once(lambda n: n if n == 0 else chain.get(n - 1) + 1)
        self.assertEqual(chain.get(5), 5)

    def test_an_error_is_not_kept(self):
        """Who waited tries again."""
        begun = threading.Event()
        answers = iter([ValueError("first"), "second"])

        def make(key):
            answer = next(answers)
            begun.set()
            time.sleep(0.05)
            if isinstance(answer, Exception):
                raise answer
            return answer

        values = Once(make)
        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(values.get, "a")
            begun.wait(5)
            second = pool.submit(values.get, "a")
            self.assertIsInstance(first.exception(5), ValueError)
            self.assertEqual(second.result(5), "second")


if __name__ == "__main__":
    unittest.main()
