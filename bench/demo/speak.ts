/** Tells what the demo does: numbered steps and lines under them, on stdout. */
export class Narrator {
  #steps = 0;

  /** Announces the next step. */
  step(text: string): void {
    this.#steps += 1;
    process.stdout.write(`\n${this.#steps}. ${text}\n`);
  }

  /** One line under the current step. */
  say(text: string): void {
    process.stdout.write(`   ${text}\n`);
  }

  /** Several lines as they are. */
  print(text: string): void {
    process.stdout.write(`${text}\n`);
  }
}
