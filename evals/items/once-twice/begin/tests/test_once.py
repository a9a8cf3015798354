"""One thread."""

import unittest

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


if __name__ == "__main__":
    unittest.main()
