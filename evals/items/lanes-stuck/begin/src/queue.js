/** Runs asynchronous tasks, at most `concurrency` at a time. */
export class Queue {
  #concurrency;
  #running = 0;
  #waiting = [];
  #idle = [];

  constructor({ concurrency = 1 } = {}) {
    if (!Number.isInteger(concurrency) || concurrency < 1) {
      throw new RangeError("concurrency must be a whole number from 1");
    }
    this.#concurrency = concurrency;
  }

  /** How many tasks wait for a lane. */
  get size() {
    return this.#waiting.length;
  }

  /** How many tasks run. */
  get running() {
    return this.#running;
  }

  /** Adds a task; the promise has its result. */
  add(task, { priority = 0 } = {}) {
    return new Promise((resolve, reject) => {
      const entry = { task, priority, resolve, reject };
      const at = this.#waiting.findIndex((other) => other.priority < priority);
      this.#waiting.splice(at < 0 ? this.#waiting.length : at, 0, entry);
      this.#fill();
    });
  }

  /** Resolves when nothing runs and nothing waits. */
  onIdle() {
    if (this.#running === 0 && this.#waiting.length === 0) {
      return Promise.resolve();
    }
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  #fill() {
    while (this.#running < this.#concurrency && this.#waiting.length > 0) {
      this.#run(this.#waiting.shift());
    }
    if (this.#running === 0 && this.#waiting.length === 0) {
      for (const resolve of this.#idle.splice(0)) resolve();
    }
  }

  async #run(entry) {
    this.#running += 1;
    try {
      entry.resolve(await entry.task());
      this.#running -= 1;
      this.#fill();
    } catch (error) {
      entry.reject(error);
    }
  }
}
