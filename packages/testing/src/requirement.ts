/**
 * Whether tests run that need something of the machine. Where it is absent they are to be skipped,
 * which this says loudly; but in CI they run, and fail, so that CI never passes without them.
 */
export function runsWith(present: boolean, missing: string): boolean {
  if (present || process.env["CI"] !== undefined) return true;
  console.warn(`SKIPPED: ${missing}`);
  return false;
}
