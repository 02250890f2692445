/** What the commands need of a process. */
export interface CommandOutput {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
}

/** Writes lines of progress, which go to stderr: stdout is for results alone. */
export function progressOf({ stderr }: CommandOutput): (line: string) => void {
  return (line) => void stderr.write(`${line}\n`);
}
