/** A task took longer than the queue allows. */
export class TimeoutError extends Error {
  constructor(milliseconds) {
    super(`The task took longer than ${milliseconds} ms`);
    this.name = "TimeoutError";
  }
}

/** Runs asynchronous tasks, at most `concurrency` at a time. */
export class Queue {
  #concurrency;
  #running = 0;
  #waiting = [];
  #idle = [];
  #timeout;

  /**
   * @param {number} options.concurrency how many tasks run at a time
   * @param {number} options.timeout milliseconds after which a task counts as failed; 0 for never
   */
  constructor({ concurrency = 1, timeout = 0 } = {}) {
    if (!Number.isInteger(concurrency) || concurrency < 1) {
      throw new RangeError("concurrency must be a whole number from 1");
    }
    this.#concurrency = concurrency;
    this.#timeout = timeout;
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
    let timer;
    if (this.#timeout > 0) {
      timer = setTimeout(() => entry.reject(new TimeoutError(this.#timeout)), this.#timeout);
    }
    try {
      entry.resolve(await entry.task());
      this.#running -= 1;
      this.#fill();
    } catch (error) {
      entry.reject(error);
    } finally {
      clearTimeout(timer);
    }
  }
}
