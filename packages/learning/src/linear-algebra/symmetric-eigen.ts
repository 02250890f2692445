/** Eigenvalues and eigenvectors of a symmetric matrix, in double precision. */

interface SymmetricEigen {
  /** Largest first. */
  readonly values: Float64Array;
  /** Row k is the unit eigenvector of `values[k]`, n elements. Its largest element is positive, so
   * that the sign does not depend on rounding. */
  readonly vectors: readonly Float64Array[];
}

/** Steps per eigenvalue; two or three are usual. */
const STEPS_MAX = 60;

/**
 * Householder tridiagonalisation, then implicit QR steps with Wilkinson's shift (Golub and Van Loan,
 * Matrix Computations, 8.3.1 to 8.3.3). About 9 n^3 operations.
 * @param a n rows of n elements, symmetric; not changed
 * @throws RangeError where an element is not finite or the steps do not converge
 */
export function symmetricEigen(a: readonly Float64Array[]): SymmetricEigen {
  if (a.some((row) => row.length !== a.length || !row.every(Number.isFinite))) {
    throw new RangeError(`eigen: expected ${a.length} finite rows of ${a.length}`);
  }
  const { diagonal, offDiagonal, basis } = tridiagonalise(a.map((row) => row.slice()));
  diagonalise(diagonal, offDiagonal, basis);
  const order = Array.from(diagonal.keys()).sort((i, j) => diagonal[j]! - diagonal[i]! || i - j);
  return {
    values: Float64Array.from(order, (i) => diagonal[i]!),
    vectors: order.map((i) => withSign(basis[i]!)),
  };
}

interface Tridiagonal {
  readonly diagonal: Float64Array;
  /** Element k couples k and k + 1. */
  readonly offDiagonal: Float64Array;
  /** Row k is the k-th basis vector: a = basis' T basis. */
  readonly basis: Float64Array[];
}

/** Destroys `a`. */
function tridiagonalise(a: Float64Array[]): Tridiagonal {
  const n = a.length;
  const reflections: Float64Array[] = [];
  for (let k = 0; k < n - 2; k += 1) {
    const v = reflection(a[k]!, k + 1);
    reflections.push(v);
    reflectBothSides(a, v, k);
  }
  const basis = Array.from({ length: n }, (_, i) => {
    const row = new Float64Array(n);
    row[i] = 1;
    return row;
  });
  // Row k of the basis is H_0 ... H_{n-3} e_k, so the last reflection comes first.
  for (let k = n - 3; k >= 0; k -= 1) {
    const v = reflections[k]!;
    for (let i = k + 1; i < n; i += 1) subtractAlong(basis[i]!, v, k + 1);
  }
  return {
    diagonal: Float64Array.from(a, (row, i) => row[i]!),
    offDiagonal: Float64Array.from({ length: Math.max(0, n - 1) }, (_, i) => a[i]![i + 1]!),
    basis,
  };
}

/** The unit v for which I - 2 v v' takes elements `from`.. of x to one element; zeros where x has
 * that form already. */
function reflection(x: Float64Array, from: number): Float64Array {
  const v = new Float64Array(x.length);
  let squares = 0;
  for (let j = from + 1; j < x.length; j += 1) squares += x[j]! ** 2;
  if (squares === 0) return v;
  const length = Math.sqrt(squares + x[from]! ** 2);
  v.set(x.subarray(from), from);
  v[from]! += x[from]! < 0 ? -length : length;
  const norm = Math.sqrt(squares + v[from]! ** 2);
  for (let j = from; j < v.length; j += 1) v[j]! /= norm;
  return v;
}

/** x - 2 (v'x) v over elements `from`... */
function subtractAlong(x: Float64Array, v: Float64Array, from: number): void {
  let share = 0;
  for (let j = from; j < x.length; j += 1) share += v[j]! * x[j]!;
  share *= 2;
  for (let j = from; j < x.length; j += 1) x[j]! -= share * v[j]!;
}

/** H a H with H = I - 2 v v': a - v w' - w v' with w = 2 (p - (v'p) v), p = a v. */
function reflectBothSides(a: Float64Array[], v: Float64Array, from: number): void {
  const n = a.length;
  const w = new Float64Array(n);
  let share = 0;
  for (let i = from; i < n; i += 1) {
    const row = a[i]!;
    let sum = 0;
    for (let j = from + 1; j < n; j += 1) sum += row[j]! * v[j]!;
    w[i] = sum;
    share += v[i]! * sum;
  }
  for (let i = from; i < n; i += 1) w[i] = 2 * (w[i]! - share * v[i]!);
  for (let i = from; i < n; i += 1) {
    const row = a[i]!;
    const [vi, wi] = [v[i]!, w[i]!];
    for (let j = from; j < n; j += 1) row[j]! -= vi * w[j]! + wi * v[j]!;
  }
}

/** QR steps until every off-diagonal element is negligible; the basis is rotated along with them. */
function diagonalise(d: Float64Array, e: Float64Array, basis: Float64Array[]): void {
  let high = d.length - 1;
  let steps = 0;
  while (high > 0) {
    if (negligible(d, e, high - 1)) {
      high -= 1;
      steps = 0;
      continue;
    }
    let low = high - 1;
    while (low > 0 && !negligible(d, e, low - 1)) low -= 1;
    steps += 1;
    if (steps > STEPS_MAX) throw new RangeError("eigen: the steps do not converge");
    qrStep(d, e, basis, low, high);
  }
}

function negligible(d: Float64Array, e: Float64Array, k: number): boolean {
  if (Math.abs(e[k]!) > Number.EPSILON * (Math.abs(d[k]!) + Math.abs(d[k + 1]!))) return false;
  e[k] = 0;
  return true;
}

/** One implicit step on the block low..high: rotations chase the bulge down the diagonal. */
function qrStep(
  d: Float64Array,
  e: Float64Array,
  basis: Float64Array[],
  low: number,
  high: number,
): void {
  const half = (d[high - 1]! - d[high]!) / 2;
  const last = e[high - 1]!;
  const root = Math.hypot(half, last);
  const shift = d[high]! - last ** 2 / (half + (half < 0 ? -root : root));
  let x = d[low]! - shift;
  let z = e[low]!;
  for (let k = low; k < high; k += 1) {
    const r = Math.hypot(x, z);
    const [c, s] = r === 0 ? [1, 0] : [x / r, z / r];
    if (k > low) e[k - 1] = r;
    const [a, b, g] = [d[k]!, d[k + 1]!, e[k]!];
    d[k] = c * c * a + 2 * c * s * g + s * s * b;
    d[k + 1] = s * s * a - 2 * c * s * g + c * c * b;
    e[k] = c * s * (b - a) + (c * c - s * s) * g;
    x = e[k]!;
    if (k + 1 < high) {
      z = s * e[k + 1]!;
      e[k + 1]! *= c;
    }
    rotate(basis[k]!, basis[k + 1]!, c, s);
  }
}

function rotate(p: Float64Array, q: Float64Array, c: number, s: number): void {
  for (let j = 0; j < p.length; j += 1) {
    const [pj, qj] = [p[j]!, q[j]!];
    p[j] = c * pj + s * qj;
    q[j] = c * qj - s * pj;
  }
}

function withSign(vector: Float64Array): Float64Array {
  const largest = vector.reduce((most, x) => (Math.abs(x) > Math.abs(most) ? x : most), 0);
  return largest < 0 ? vector.map((x) => -x) : vector;
}
