const plainEveryS = 15;

/**
 * One line that says how long something has been running: rewritten each second on a terminal, a new line every 15
 * seconds elsewhere. On standard error, because the output of a command may be read by another program.
 * @param {string} label
 * @param {{ isTTY?: boolean, write: (text: string) => unknown }} [stream]
 */
export function startProgress(label, stream = process.stderr) {
  const startedMs = Date.now();
  const line = (/** @type {string} */ suffix) => {
    const seconds = Math.round((Date.now() - startedMs) / 1000);
    return `${label}: ${seconds} s${suffix}`;
  };
  stream.write(stream.isTTY ? line(' …') : `${label} …\n`);
  let ticks = 0;
  const timer = setInterval(() => {
    ticks += 1;
    if (stream.isTTY) stream.write(`\r${line(' …')}`);
    else if (ticks % plainEveryS === 0) stream.write(`${line(' …')}\n`);
  }, 1000);
  return {
    /** @param {string} outcome */
    stop(outcome) {
      clearInterval(timer);
      stream.write(`${stream.isTTY ? '\r' : ''}${line(`, ${outcome}`)}\n`);
    },
  };
}
